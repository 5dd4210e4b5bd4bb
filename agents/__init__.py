"""The steps, one file per arrow of the flow: pure decisions, without I/O, clock, models or Kafka."""
