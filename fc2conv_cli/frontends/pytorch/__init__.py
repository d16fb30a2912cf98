"""PyTorch models in any form: loaded safely, exported, and kept to compare with. Only this package needs torch."""
