"""Which layout every value is stored in, and the nodes that it takes."""
