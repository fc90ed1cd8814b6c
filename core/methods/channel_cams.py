"""Score-CAM and Ablation-CAM: a layer's channels, weighted by what the score does with each alone.

Both take a picture for each channel and no slopes, and are surveys: the logits of all classes are
kept, so the map of another target, contrast or kind of score costs no pass.

Score-CAM: Wang et al., "Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural
Networks", CVPR Workshops 2020. Each channel is enlarged to the size of the picture, then scaled to
0..1, and shows as much of the picture as its values say, on the baseline; the published one is the
default, 0 in the input's own space. The weights are the softmax of these scores over the channels;
the score of the baseline, which the paper subtracts, changes nothing in it. A softmax tells logits
apart; of probabilities, which differ by less than 1, the weights are nearly alike. torchcam 0.5.0
scales a channel before it is enlarged, which is not what the paper says and leaves it below 1.
pytorch-grad-cam enlarges it with corners aligned; the paper says no more than "bilinear".

Ablation-CAM: Desai and Ramaswamy, "Ablation-CAM: Visual Explanations for Deep Convolutional Network
via Gradient-free Localization", WACV 2020. Each channel is set to zero at the layer, and what comes
behind it is computed. A channel's weight is the drop of the score. The paper divides all of them by
the score itself, which scales the map, and turns it over where the score is negative: they are not
divided here. Of tokens, those that lie on the grid are set to zero, and no class token.

The values are those behind the ReLU that alone reads the layer, if there is one: the papers' are.
pytorch-grad-cam sets a channel to 1e7 below the least value where a layer has values below zero.
"""

from abc import abstractmethod
from collections.abc import Callable, Hashable, Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..engine import watched_layers
from ..engine.agreement import difference, only_rounding
from ..engine.checks import finite
from ..engine.incremental import KeptActivations
from ..engine.teams import alone
from ..engine.watched_layers import Layer
from .cam_methods import ChannelCamSetting
from .cam_weightings import fused
from .grad_cam import chosen
from .mask_survey import MaskSurvey
from .scores import Question
from .survey import Survey

_REST_BATCH = 32  # of what comes behind a layer, most often little


class ChannelSurvey(Survey):
    """Logits of a network for each of a layer's channels; channel 0 is picture 0.

    Of a quick survey, only the most active channels: with the largest mean of |value|.
    """

    def __init__(
        self,
        setting: ChannelCamSetting,
        module: nn.Module,
        inputs: Tensor,
        baseline: float | Tensor = 0.0,
    ) -> None:
        """Prepare a survey: one pass tells the layer's values.

        Args:
            setting: layer and sign.
            module, inputs, baseline: see `core.methods.survey.Survey`.

        Raises:
            SettingError: the layer cannot be looked at: the true reason.
        """
        super().__init__(module, inputs, baseline)
        self.method = setting.name
        self.parameters = {"layer": setting.layer, "signed": setting.signed}
        self._signed = setting.signed
        self._layer, layer, self._values = alone(lambda: self._look(setting.layer))
        self._lie = layer.places
        self._maps = self._lie.map(self._values)[0]
        if layer.ceiling is not None:
            self._maps = self._maps.clamp(0.0, layer.ceiling)
        self._active = self._maps.abs().mean((1, 2)).float().cpu().numpy()  # or of half precision
        most = np.argsort(-self._active, kind="stable")[: setting.channels]
        self._channels = np.sort(most)
        self.count = len(self._channels)

    def _look(self, wanted: str | None) -> tuple[str, Layer, Tensor]:
        network = self._network()
        ((name, layer),) = chosen(network, self._inputs, wanted).items()
        with torch.inference_mode(False), torch.no_grad():
            _, (values,) = watched_layers.run(network, [name], self._inputs.clone())
        return name, layer, values

    @abstractmethod
    def _weights(self, scores: Tensor, clean: Tensor) -> Tensor:
        """Weights of channels (n,) by the scores of their pictures (n,) and of the clean one."""

    def values(self, question: Question) -> np.ndarray:
        """The map of the channels that are known so far, float64 (H, W)."""
        question.check(len(self.clean))
        known = torch.from_numpy(self.known)
        maps = self._maps[torch.from_numpy(self._channels)[known]].cpu().double()
        clean, scores = (
            question.scores(each.double()) for each in (self.clean[None], self.scores[known])
        )
        found = self._positive(maps, scores, clean)
        if self._signed:
            found = found - self._positive(maps, -scores, -clean)
        return fused([found], (self._inputs.shape[2], self._inputs.shape[3]))[0].numpy()

    def _positive(self, maps: Tensor, scores: Tensor, clean: Tensor) -> Tensor:
        return torch.einsum("chw,c->hw", maps, self._weights(scores, clean)).relu()

    def _legs(
        self,
        known: np.ndarray,
        answers: Callable[[], np.ndarray],  # noqa: ARG002
        teams: int,  # noqa: ARG002
    ) -> Iterator[np.ndarray]:
        """The most active channels first: without the others, the map is nearest to the final."""
        order = np.argsort(-self._active[self._channels], kind="stable")
        yield order[~known[order]]

    def _space(self) -> tuple[int, ...]:
        return (len(self._maps),)

    def _places(self, numbers: np.ndarray) -> np.ndarray:
        return self._channels[numbers][:, None]

    def _kind(self) -> Hashable:
        return self.method, self._layer


class ScoreCamSurvey(MaskSurvey, ChannelSurvey):
    """Logits with the picture shown through one channel at a time."""

    def _weights(self, scores: Tensor, clean: Tensor) -> Tensor:  # noqa: ARG002
        return scores.softmax(0)

    def masks(self, numbers: np.ndarray) -> Tensor:
        """How much is kept of each pixel, 0..1, by number (n,): (n, 1, H, W).

        Nothing by a channel that is the same everywhere.
        """
        size = (self._inputs.shape[2], self._inputs.shape[3])
        maps = self._maps[torch.from_numpy(self._channels[numbers])]
        large = F.interpolate(maps[:, None], size, mode="bilinear")
        low, high = large.amin((2, 3), keepdim=True), large.amax((2, 3), keepdim=True)
        return torch.where(high > low, (large - low) / (high - low), 0.0)


class AblationCamSurvey(ChannelSurvey):
    """Logits with one channel of the layer set to zero at a time; the picture stays whole."""

    def _weights(self, scores: Tensor, clean: Tensor) -> Tensor:
        return clean - scores

    def _device_batch(self, kept: KeptActivations) -> int:  # noqa: ARG002
        return _REST_BATCH

    def _pictures(self, numbers: np.ndarray) -> Tensor:
        return self._inputs.expand(len(numbers), -1, -1, -1)

    def _scored(self, kept: KeptActivations, numbers: np.ndarray) -> Tensor:  # noqa: ARG002
        batch = self._silenced(self._values.repeat_interleave(len(numbers), 0), numbers)
        rest = watched_layers.rest(self._network(), self._layer)
        with torch.inference_mode(False), torch.no_grad():
            return rest(self._pictures(numbers), batch)

    def _compared(self, numbers: np.ndarray, logits: Tensor) -> tuple[float, bool]:
        """As in `Survey`: the network itself runs with the channel set to zero by a hook."""
        network = self._network()
        apart, believed = 0.0, True
        for number, found in zip(numbers, logits.split(1), strict=True):
            change = partial(self._silenced, numbers=np.array([number]))
            with watched_layers.changed(network.twin, self._layer, change):
                truth = finite(network.own_scores(self._inputs))
                off = difference(found, truth)
                believed &= only_rounding(network.twin, off, self._inputs, truth)
            apart = max(apart, off)
        return apart, believed

    def _silenced(self, values: Tensor, numbers: np.ndarray) -> Tensor:
        """A layer's values (n, ...), in each of them the channel of a number (n,) set to zero.

        What else a layer returns, such as a pooled list beside a map, is left as it is.
        """
        if values.shape[1:] != self._values.shape[1:]:
            return values
        values = values.clone()
        maps = self._lie.map(values)  # a view
        maps[torch.arange(len(numbers)), torch.from_numpy(self._channels[numbers])] = 0.0
        return values


def survey(
    setting: ChannelCamSetting,
    module: nn.Module,
    inputs: Tensor,
    baseline: float | Tensor,
    _: Callable[[int], np.ndarray],
) -> ChannelSurvey:
    """See `core.methods.registry.survey_of`."""
    kind = ScoreCamSurvey if setting.kind == "score_cam" else AblationCamSurvey
    return kind(setting, module, inputs, baseline)
