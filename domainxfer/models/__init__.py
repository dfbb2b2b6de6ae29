"""Networks: one generator and one critic for any number of domains. They know no losses and no data."""
