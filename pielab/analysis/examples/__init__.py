"""What PIEs are like: how much they matter for generalisation, how hard they are to read, their classes."""
