"""Which network a configuration stands for: of blocks, or written down layer by layer; no critic, one or several."""

from torch import Tensor, nn

from domainxfer.models.config import CriticConfig, GeneratorConfig
from domainxfer.models.critic import Critic, View
from domainxfer.models.generator import Generator
from domainxfer.models.layered import LayeredCritic, LayeredGenerator
from domainxfer.models.several import Critics

AnyGenerator = Generator | LayeredGenerator


class NoCritic(nn.Module):
    """Stands where the critic stands in a run that asks none, such as that of a VAE: no weights, and no opinion.

    Args:
        config: of the critic that is not there.
    """

    def __init__(self, config: CriticConfig) -> None:
        super().__init__()
        self.config, self.enter = config, nn.Identity()

    def forward(self, image: Tensor, label: Tensor | None = None) -> View:
        """Never called: see `Critic.forward`."""
        return self.judge(self.enter(image), label)

    def judge(self, seen: Tensor, label: Tensor | None = None) -> View:
        """Never called: see `Critic.judge`."""
        raise RuntimeError("this run was built without a critic, since no term asks one")

    def info_parameters(self, *, label: bool = True) -> list[nn.Parameter]:
        """None."""
        return []


AnyCritic = Critic | LayeredCritic | Critics | NoCritic


def new_generator(config: GeneratorConfig) -> AnyGenerator:
    """A generator with fresh weights, drawn from torch's generator of random numbers."""
    return LayeredGenerator(config) if config.layers else Generator(config)


def new_critic(config: CriticConfig) -> AnyCritic:
    """A critic with fresh weights, drawn from torch's generator of random numbers."""
    one = LayeredCritic if config.layers else Critic
    return one(config) if config.count == 1 else Critics(config, [one(config) for _ in range(config.count)])
