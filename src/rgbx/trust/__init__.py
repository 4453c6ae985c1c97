"""Trust: how far to believe a prediction, and what to do with a device when it is too little."""
