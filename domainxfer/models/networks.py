"""Which network a configuration stands for: of blocks, or written down layer by layer; one critic or several."""

from domainxfer.models.config import CriticConfig, GeneratorConfig
from domainxfer.models.critic import Critic
from domainxfer.models.generator import Generator
from domainxfer.models.layered import LayeredCritic, LayeredGenerator
from domainxfer.models.several import Critics

AnyGenerator = Generator | LayeredGenerator
AnyCritic = Critic | LayeredCritic | Critics


def new_generator(config: GeneratorConfig) -> AnyGenerator:
    """A generator with fresh weights, drawn from torch's generator of random numbers."""
    return LayeredGenerator(config) if config.layers else Generator(config)


def new_critic(config: CriticConfig) -> AnyCritic:
    """A critic with fresh weights, drawn from torch's generator of random numbers."""
    one = LayeredCritic if config.layers else Critic
    return one(config) if config.count == 1 else Critics(config, [one(config) for _ in range(config.count)])
