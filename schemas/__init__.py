"""The nouns of Vitrine: one event per file, plus ids, the stream clock and the closed list of reasons."""
