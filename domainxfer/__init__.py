"""domainxfer: moves pictures between domains with one network, learned from unpaired examples."""

__version__ = "0.1.0"
