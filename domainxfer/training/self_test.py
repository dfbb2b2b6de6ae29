"""Before a run begins: does the generator hear its label and its code at all?"""

import torch

from domainxfer.errors import DomainxferError
from domainxfer.models.networks import AnyGenerator

DEAF = 1e-4  # mean change of the output, in the range [-1, 1], below which a condition counts as unheard


@torch.no_grad()
def conditioning_response(generator: AnyGenerator, seed: int = 0) -> tuple[float | None, float | None]:
    """Mean absolute change of the output when only the label changes, and when only the code does.

    None where the generator has no labels, or no code. BatchNorm goes by its running statistics: those of so few
    pictures would take away what is changed in all of them alike.
    """
    training = generator.training
    generator.eval()
    try:
        return _responses(generator, seed)
    finally:
        generator.train(training)


def _responses(generator: AnyGenerator, seed: int) -> tuple[float | None, float | None]:
    config, numbers = generator.config, torch.Generator().manual_seed(seed)
    device = next(generator.parameters()).device
    shape = (config.channels, config.size, config.size) if config.content == "picture" else (config.noise_size,)
    content = (2 * torch.rand(2, *shape, generator=numbers) - 1).to(device)
    label = torch.tensor([0, 1], device=device) if config.labels else None
    code = torch.zeros(2, config.code_size, device=device)
    base = generator(content, label, code)
    of_label = of_code = None
    if label is not None:
        of_label = float((generator(content, label.flip(0), code) - base).abs().mean())
    if config.code_size:
        of_code = float((generator(content, label, code + 1) - base).abs().mean())
    return of_label, of_code


def check_conditioning(generator: AnyGenerator) -> None:
    """Refuse to train a generator whose output does not depend on its label or code.

    Raises:
        DomainxferError: it does not.
    """
    of_label, of_code = conditioning_response(generator)
    for name, response in (("label", of_label), ("code", of_code)):
        if response is not None and response < DEAF:
            raise DomainxferError(
                f"the generator does not hear its {name}: flipping it changes the output by {response:.1g}; "
                "start from other weights, or without --init-from"
            )
