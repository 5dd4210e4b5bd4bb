"""An hour at 80 % of what a worker can bear, in stream time that runs faster: does anything grow?"""
