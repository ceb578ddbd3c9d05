"""A router: from a model's profile and a question, the chance that the model answers it.

Features are the profile's share on the tasks that the question is like (profile times similarity), the
profile's mean, and the similarities. Weights are those of a logistic regression over pairs of a model and a
question. No feature says which model it is: one that was not there when the weights were found is judged by
its profile alone.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calculemus.errors import InvalidParameterError
from calculemus.files import replacing
from calculemus.params import digest
from calculemus.solving.aptitude import (
    Answered,
    AptitudeTest,
    Profile,
    check_versions,
    profile_from_json,
    profile_to_json,
)

FORMAT = 1
RIDGE = 1.0
_SHARPNESS = 12.0  # of similarities: the task that a question is most like gets nearly all
_WORD = re.compile(r"[^\W\d_]+|\d+|[^\w\s]")
_ITERATIONS = 50

Vector = NDArray[np.float64]


def words_in(text: str) -> dict[str, int]:
    """Count the words, signs and kinds of numbers of a question; a number is known by its digits' count."""
    counts: dict[str, int] = {}
    for word in _WORD.findall(text.casefold()):
        key = f"#{len(word)}" if word.isdecimal() else word
        counts[key] = counts.get(key, 0) + 1
    return counts


@dataclass(frozen=True)
class Skills:
    """What the tasks of a test are about.

    Attributes:
        tasks: Their names.
        rarity: Weight of each word: the rarer among the test's questions the higher.
        centres: For each task the mean of its questions, as weights of words.
    """

    tasks: tuple[str, ...]
    rarity: Mapping[str, float]
    centres: tuple[Mapping[str, float], ...]

    @classmethod
    def of(cls, test: AptitudeTest) -> "Skills":
        """Learn them from the test's questions."""
        texts = [words_in(p.question) for problems in test.tasks.values() for p in problems]
        seen: dict[str, int] = {}
        for text in texts:
            for word in text:
                seen[word] = seen.get(word, 0) + 1
        rarity = {word: math.log((1 + len(texts)) / (1 + n)) + 0.1 for word, n in sorted(seen.items())}
        centres = []
        for problems in test.tasks.values():
            centre: dict[str, float] = {}
            for problem in problems:
                for word, weight in _unit(words_in(problem.question), rarity).items():
                    centre[word] = centre.get(word, 0.0) + weight / len(problems)
            centres.append(_scaled(centre))
        return cls(tuple(test.tasks), rarity, tuple(centres))

    def similarity(self, question: str) -> Vector:
        """Return how much a question is like each task; the sum is 1."""
        told = _unit(words_in(question), self.rarity)
        cosines = np.array(
            [sum(weight * centre.get(word, 0.0) for word, weight in told.items()) for centre in self.centres]
        )
        powers = np.exp(_SHARPNESS * (cosines - cosines.max()))
        return powers / powers.sum()


def _unit(counts: Mapping[str, int], rarity: Mapping[str, float]) -> dict[str, float]:
    return _scaled({word: n * rarity[word] for word, n in counts.items() if word in rarity})


def _scaled(weights: Mapping[str, float]) -> dict[str, float]:
    length = math.sqrt(math.fsum(value * value for value in weights.values()))
    return {word: value / length for word, value in weights.items()} if length else {}


@dataclass(frozen=True)
class Router:
    """Chances of models on questions.

    Attributes:
        version: Of the test that the profiles come from.
        skills: What its tasks are about.
        weights: Of the features.
        profiles: The models that there are to choose from.
    """

    version: str
    skills: Skills
    weights: tuple[float, ...]
    profiles: tuple[Profile, ...]

    def __post_init__(self) -> None:
        check_versions(self.version, self.profiles, len(self.skills.tasks))

    @classmethod
    def learn(
        cls,
        test: AptitudeTest,
        models: Sequence[Answered],
        questions: Mapping[str, str],
        right: Mapping[str, Mapping[str, bool]],
    ) -> "Router":
        """Learn the weights.

        Args:
            test: That the models took.
            models: Their profiles.
            questions: Texts by id, other than those of the test.
            right: By model and question whether the answer was right.
        """
        skills = Skills.of(test)
        rows, labels = [], []
        similar = {name: skills.similarity(text) for name, text in questions.items()}
        for answered in models:
            for name, is_right in right[answered.profile.engine].items():
                rows.append(features(answered.profile, similar[name]))
                labels.append(float(is_right))
        weights = fit_logistic(np.array(rows), np.array(labels))
        profiles = tuple(answered.profile for answered in models)
        return cls(test.version, skills, tuple(weights.tolist()), profiles)

    def joined(self, profile: Profile) -> "Router":
        """Return it with a model more; the weights stay as they are.

        Raises:
            InvalidParameterError: The profile comes from another test.
        """
        others = tuple(known for known in self.profiles if known.engine != profile.engine)
        return replace(self, profiles=(*others, profile))

    def chances(self, question: str) -> dict[str, float]:
        """Return each model's chance to answer a question."""
        similar = self.skills.similarity(question)
        weights = np.array(self.weights)
        return {
            profile.engine: float(1 / (1 + np.exp(-(features(profile, similar) @ weights))))
            for profile in self.profiles
        }

    @property
    def digest(self) -> str:
        """Names it by content."""
        return digest(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON-like data."""
        return {
            "format": FORMAT,
            "test": self.version,
            "tasks": list(self.skills.tasks),
            "rarity": dict(self.skills.rarity),
            "centres": [dict(centre) for centre in self.skills.centres],
            "weights": list(self.weights),
            "profiles": [profile_to_json(profile) for profile in self.profiles],
        }

    def write(self, path: Path) -> None:
        """Write it to a file, whole or not at all."""
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(self.to_json(), ensure_ascii=False, indent=1), "utf-8")


def read_router(path: str) -> Router:
    """Read a router and its profiles; a file that has not changed is read once.

    Raises:
        InvalidParameterError: The file is no such thing, or a profile in it comes from another test.
    """
    file = Path(path)
    return _read_router(path, file.stat().st_mtime_ns if file.is_file() else 0)


@cache
def _read_router(path: str, changed: int) -> Router:
    """Read a router as it stood at a time."""
    del changed
    try:
        data = json.loads(Path(path).read_text("utf-8"))
        if data["format"] != FORMAT:
            raise ValueError(f"its format is {data['format']!r}")
        skills = Skills(tuple(data["tasks"]), data["rarity"], tuple(data["centres"]))
        profiles = tuple(profile_from_json(profile) for profile in data["profiles"])
        weights = tuple(map(float, data["weights"]))
        version = str(data["test"])
    except InvalidParameterError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidParameterError(
            f"reading capability profiles from '{path}': {type(error).__name__}: {error}; expected a file "
            "that 'calculemus profile-models' wrote. Make it anew"
        ) from error
    return Router(version, skills, weights, profiles)


def features(profile: Profile, similar: Vector) -> Vector:
    """Return what a profile and a question have to say to each other."""
    shares = np.array(profile.shares)
    match = float(shares @ similar)
    return np.array([1.0, _log_odds(match), match, float(shares.mean()), float(similar.max())])


def _log_odds(share: float) -> float:
    return math.log(share / (1 - share))


def fit_logistic(rows: Vector, labels: Vector, ridge: float = RIDGE) -> Vector:
    """Return the weights of a logistic regression with a quadratic penalty, the first feature's left out.

    Args:
        rows: Features by row; the first is 1.
        labels: 1 or 0 by row.
        ridge: Weight of the penalty.
    """
    penalty = ridge * np.eye(rows.shape[1])
    penalty[0, 0] = 1e-6
    weights = np.zeros(rows.shape[1])
    for _ in range(_ITERATIONS):
        chances = 1 / (1 + np.exp(-np.clip(rows @ weights, -30, 30)))
        slope = rows.T @ (labels - chances) - penalty @ weights
        curvature = (rows * (chances * (1 - chances))[:, None]).T @ rows + penalty
        step = np.linalg.solve(curvature, slope)
        weights = weights + step
        if float(np.abs(step).max()) < 1e-10:
            break
    return weights
