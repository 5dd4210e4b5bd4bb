"""The wiring: the topology, the delivery layer on Kafka and Faust, ingest, replay and the command line."""
