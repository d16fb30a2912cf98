"""fc2conv beside other tools: ``python -m benchmarks`` from the root of the repository. See README.md here."""
