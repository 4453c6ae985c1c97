"""RGB-X: tell near-identical devices apart by their outside (RGB) and their inside (X-ray).

The packages follow the flow of data; each imports only from those before it:

    devices → samples → radiography | photography → datasets → models → training
            → trust → inference → evaluation → cli
"""

__version__ = "0.2.0"
