"""Published data sets as they lie on disk → views of a manifest."""
