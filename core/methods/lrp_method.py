"""Layer-wise relevance propagation: its setting, and its entry in the registry."""

from dataclasses import dataclass
from typing import Literal

from ..errors import SettingError
from .method import Method
from .settings import Setting, settle

LrpRule = Literal["auto", "epsilon", "epsilon_plus_flat", "epsilon_gamma_box", "attn"]
LRP_RULES: dict[LrpRule, tuple[str, ...]] = {
    "auto": ("epsilon", "gamma"),
    "epsilon": ("epsilon",),
    "epsilon_plus_flat": ("epsilon",),
    "epsilon_gamma_box": ("epsilon", "gamma"),
    "attn": ("epsilon", "gamma"),
}
"""The numbers that each rule has; "auto" becomes attn or epsilon_plus_flat by the network."""


@dataclass(frozen=True)
class LrpSetting(Setting):
    """Layer-wise relevance propagation: which layer has which rule, and the rules' numbers.

    ``epsilon`` keeps the denominators of the epsilon rule from zero, in units of a layer's output;
    ``gamma`` is by how much more contributions of an output's own sign count. A number that the
    rule has not is the usual one, whatever was given.
    """

    rule: LrpRule = "auto"
    epsilon: float = 1e-6
    gamma: float = 0.25

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.rule not in LRP_RULES:
            raise SettingError(
                f'There is no rule "{self.rule}" of LRP: choose one of {", ".join(LRP_RULES)}.'
            )
        if not 1e-9 <= self.epsilon <= 1:
            raise SettingError(f"Epsilon: {self.epsilon}; choose between 1e-9 and 1.")
        if not 0 <= self.gamma <= 100:
            raise SettingError(f"Gamma: {self.gamma}; choose between 0 and 100.")
        settle(self)

    @property
    def name(self) -> str:
        """As in `Setting`."""
        return "lrp"

    @property
    def idle(self) -> dict[str, str]:
        """As in `Setting`."""
        own = LRP_RULES[self.rule]
        return {name: "rule" for name in ("epsilon", "gamma") if name not in own}


LRP = Method(
    "LRP",
    LrpSetting(),
    "the pixel's share of {score}, handed back from layer to layer",
    "inside",
    (
        "bach2015pixel",
        "montavon2019layer",
        "kohlbrenner2020towards",
        "achtibat2024attnlrp",
    ),
    "lrp.lrp",
    "lrp.why_none",
    adds_up=True,
)
