"""Draws tokens. Each row brings its own uniform number, so a draw depends on its row alone.

After the temperature a token must be one of the ``top_k`` most probable, lie in the smallest set of most
probable ones with probability ``top_p``, and have at least ``min_p`` times the largest probability; of equal
tokens the first comes first. The draw inverts the distribution function over token ids, in float64.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from calculemus.engine.torch_engine.lanes import Ids, Lanes

FIRST_LOOK = 128
"""How many of the most probable tokens are sorted before all are."""


@dataclass(frozen=True, slots=True)
class Draws:
    """How the rows that sample do it; all tensors have one entry a row.

    Attributes:
        rows: Which rows of the logits these are.
        uniforms: One number of [0, 1) each, float64.
        temperature: Above 0.
        top_k: 0 for all.
        top_p: Up to 1, float64.
        min_p: From 0.
    """

    rows: Tensor
    uniforms: Tensor
    temperature: Tensor
    top_k: Tensor
    top_p: Tensor
    min_p: Tensor

    @classmethod
    def of(cls, lanes: Lanes, decoders: Ids, device: torch.device) -> "Draws | None":
        """Read off the lanes how they draw; None where all are greedy."""
        rows = lanes.temperature[decoders].nonzero()[0]
        if not len(rows):
            return None
        which = decoders[rows]
        uniforms = lanes.uniforms[which, lanes.known[which]]
        arrays = (
            rows,
            uniforms,
            *(a[which] for a in (lanes.temperature, lanes.top_k, lanes.top_p, lanes.min_p)),
        )
        return cls(*(torch.from_numpy(array).to(device) for array in arrays))


def draw(logits: Tensor, draws: Draws | None) -> tuple[Tensor, Tensor]:
    """Return a token for each row of logits, and its log-probability under the untempered model."""
    tokens = logits.argmax(dim=-1)
    if draws is not None:
        tokens[draws.rows] = _sampled(logits.index_select(0, draws.rows), draws)
    logprobs = torch.log_softmax(logits, dim=-1).gather(1, tokens[:, None])[:, 0]
    return tokens, logprobs


def _sampled(logits: Tensor, draws: Draws) -> Tensor:
    # The largest comes off first: a tiny temperature must not divide to infinity.
    logits = (logits - logits.amax(dim=-1, keepdim=True)) / draws.temperature[:, None]
    probs = torch.softmax(logits, dim=-1)
    least = draws.min_p * probs.amax(dim=-1)
    kept = torch.where(probs >= least[:, None], probs, 0)
    picky = ((draws.top_k > 0) | (draws.top_p < 1)).nonzero()[:, 0]
    if len(picky):
        kept[picky] *= _is_among_first(probs[picky], _counts(probs[picky], draws, picky))
    cumulative = kept.cumsum(dim=-1, dtype=torch.float64)
    total = cumulative[:, -1]
    # A product that rounds up to the total would point behind the last token.
    wanted = torch.minimum(draws.uniforms * total, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(cumulative, wanted[:, None], right=True)[:, 0]


def _counts(probs: Tensor, draws: Draws, rows: Tensor) -> Tensor:
    """Return for each row how many of its most probable tokens ``top_k`` and ``top_p`` keep."""
    n = probs.shape[-1]
    top_k = draws.top_k[rows]
    by_k = torch.where(top_k > 0, top_k.clamp(max=n), n)
    by_p = torch.full_like(by_k, n)
    nuclear = (draws.top_p[rows] < 1).nonzero()[:, 0]
    look = FIRST_LOOK
    while len(nuclear):
        n_seen = min(look, n)
        ranked = torch.topk(probs[nuclear], n_seen, dim=-1).values
        mass = ranked.cumsum(dim=-1, dtype=torch.float64)
        first = torch.searchsorted(mass, draws.top_p[rows[nuclear], None])[:, 0]
        by_p[nuclear] = (first + 1).clamp(max=n)
        nuclear = nuclear[(first == n_seen) & (by_k[nuclear] > n_seen)]
        look *= 8
    return torch.minimum(by_k, by_p)


def _is_among_first(probs: Tensor, counts: Tensor) -> Tensor:
    """Say of each token whether it is among the ``counts`` most probable ones of its row."""
    ranked = torch.topk(probs, int(counts.max()), dim=-1).values
    last = ranked.gather(1, counts[:, None] - 1)
    above = probs > last
    ties = probs == last
    room = counts[:, None] - above.sum(dim=-1, keepdim=True)
    return above | (ties & (ties.cumsum(dim=-1) <= room))
