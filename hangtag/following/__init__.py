"""How worker and server use the bundle that is in use: the one that the pointer names, without a restart.

`open_following` (`start.py`) loads it when a program starts. `Following.in_use` is what the program tags with from then
on. This package imports nothing by itself: `Following` does not need the engine's runtime.
"""
