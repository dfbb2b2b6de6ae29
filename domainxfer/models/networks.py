"""Which network a configuration stands for: one of blocks, or one that is written down layer by layer."""

from domainxfer.models.config import CriticConfig, GeneratorConfig
from domainxfer.models.critic import Critic
from domainxfer.models.generator import Generator
from domainxfer.models.layered import LayeredCritic, LayeredGenerator

AnyGenerator = Generator | LayeredGenerator
AnyCritic = Critic | LayeredCritic


def new_generator(config: GeneratorConfig) -> AnyGenerator:
    """A generator with fresh weights, drawn from torch's generator of random numbers."""
    return LayeredGenerator(config) if config.layers else Generator(config)


def new_critic(config: CriticConfig) -> AnyCritic:
    """A critic with fresh weights, drawn from torch's generator of random numbers."""
    return LayeredCritic(config) if config.layers else Critic(config)
