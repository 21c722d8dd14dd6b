"""Takes what a process has built once and keeps out of the garbage collector's way."""

import gc


def settle_memory() -> None:
    """Let the collector look only at what comes from now on.

    Configuration, maps and compiled decoders stay until the end. A full collection over them stops the event loop:
    356 ms with 300 endpoints (380,000 objects), which polls and heartbeats feel. What an earlier configuration has
    left is collected before.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
