"""What a line did in a period, as a page to print and as tables: made from its log alone."""
