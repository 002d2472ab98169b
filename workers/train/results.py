"""What one training came to, as plain values that survive JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from core import wire
from core.knowledge.entries import NONE, KnowledgeBase
from core.knowledge.lint import Finding
from workers.model import metrics
from workers.model.selective import Selected, interval

Number = float | None  # None where it could not be measured; NaN and infinities turn into it on their way through JSON
ANSWER, CLARIFY, ESCALATE = "answer", "clarify", "escalate"


@dataclass(frozen=True, slots=True)
class Share:
    """A share of 1 with the ends of its 95 % interval."""

    value: Number = None
    low: Number = None
    high: Number = None

    @classmethod
    def of(cls, hits: int, asked: int) -> Share:
        """`hits` of `asked` with the Clopper-Pearson interval; empty when nothing was asked."""
        return cls(hits / asked, *interval(hits, asked)) if asked else cls()


@dataclass(frozen=True, slots=True)
class Counts:
    """What there was to learn from.

    `phrases` are the entries' questions with their variants, `photos` their example photos; `history` labelled turns,
    of which `trained` and `validated` were used so (phrases included), the others held out; `cases` only gate.
    """

    entries: int
    phrases: int
    photos: int = 0
    history: int = 0
    trained: int = 0
    validated: int = 0
    cases: int = 0


@dataclass(frozen=True, slots=True)
class Timed:
    """How many seconds a stage of the training took."""

    stage: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Compared:
    """One strategy on the held-out questions.

    `accuracy` is of questions in scope; `loss` the mean negative log-likelihood in nats; `auroc` of confidence, in
    against out of scope; `automated` the share of all questions answered within the budget; `seconds` of training,
    `milliseconds` a question. The `baseline` is there to be beaten: TF-IDF with logistic regression. `note` says what
    else is to be known, such as why there are no figures.
    """

    name: str
    accuracy: Share = field(default_factory=Share)
    loss: Number = None
    auroc: Number = None
    ece: Number = None
    automated: Number = None
    seconds: Number = None
    milliseconds: Number = None
    baseline: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class EntryQuality:
    """How well an entry is told from the others; `none` stands for questions out of scope, see `metrics.per_entry`.

    `support` counts held-out questions, `examples` the phrases and labelled turns it was learned from, `photos` its
    example photos.
    """

    id: str
    question: str
    precision: Number
    recall: Number
    f1: Number
    support: int
    examples: int
    photos: int = 0


@dataclass(frozen=True, slots=True)
class Held:
    """A held-out question with what the chosen strategy made of it.

    `expect` is an entry's id or `none`, `entry` the best one, empty when there was no candidate; `confidence` is
    calibrated, `raw` as it was before; `decision` is answer, clarify or escalate. `asked` is what may be shown of it.
    """

    expect: str
    entry: str
    confidence: Number
    decision: str
    channels: tuple[str, ...] = ("text",)
    raw: Number = None
    asked: str = ""
    seconds: float = 0.0

    @property
    def case(self) -> metrics.Case:
        """As `workers.model.metrics` takes it; without a confidence it counts as not sure at all."""
        sure = self.confidence if self.confidence is not None and math.isfinite(self.confidence) else 0.0
        return metrics.Case(self.expect, self.entry, sure, self.decision, self.seconds)


@dataclass(frozen=True, slots=True)
class Standing:
    """The share of questions in scope whose entry was found, and of all questions answered within the budget."""

    accuracy: Number = None
    automated: Number = None


@dataclass(frozen=True, slots=True)
class Ablation:
    """What a channel is worth, on the `questions` in which it is there: with all channels, without it, with it alone.

    All three are of the same questions: one that has nothing left without it is neither found nor answered. `only` is
    empty for a channel that cannot stand alone.
    """

    channel: str
    questions: int
    whole: Standing
    without: Standing
    only: Standing


@dataclass(frozen=True, slots=True)
class Weighed:
    """The mean weight of each channel over the `questions` that had just these channels; any scale, only shares count.

    `weights` maps channels to numbers that are not negative.
    """

    channels: tuple[str, ...]
    questions: int
    weights: dict[str, Number]


@dataclass(frozen=True, slots=True)
class Calibration:
    """The correction of confidences (`none`, `temperature` or `isotonic`), with what it did to held-out questions.

    `ece` is the expected calibration error, `loss` in nats; `labelled` is how many questions taught it.
    """

    kind: str
    labelled: int
    ece_before: Number
    ece_after: Number
    loss_before: Number = None
    loss_after: Number = None


@dataclass(frozen=True, slots=True)
class Check:
    """One condition of the gate; higher is better for `before` (the model in use, None without one) and `after`."""

    what: str
    before: Number
    after: Number
    passed: bool


@dataclass(frozen=True, slots=True)
class Promotion:
    """Whether the candidate takes the place of the model in use; `why` is a sentence for people.

    `instead` says why it was compared with the shipped model in the place of the one in use; empty where it was not.
    """

    promoted: bool
    why: str
    checks: tuple[Check, ...] = ()
    instead: str = ""


@dataclass(frozen=True, slots=True)
class Curve:
    """A figure over the steps of a stage: `loss`, `accuracy`, `rate` ...; `held_out` when not of what is trained on.

    `steps` and `values` are as long as each other.
    """

    stage: str
    figure: str
    steps: tuple[int, ...]
    values: tuple[Number, ...]
    held_out: bool = False


@dataclass(frozen=True, slots=True)
class Finetuned:
    """What came of fine-tuning the text encoder; `why` says in a sentence why it was `kept` or not.

    `epochs` were trained, the weights are those after `best`, chosen by `held` phrases: the share of them understood
    `before` and `after`. `questions` labelled ones decided whether it is kept: `frozen` and `tuned` are the shares of
    those in scope whose entry was found.
    """

    kept: bool
    why: str
    epochs: int = 0
    best: int = 0
    held: int = 0
    before: Number = None
    after: Number = None
    seconds: Number = None
    questions: int = 0
    frozen: Share = field(default_factory=Share)
    tuned: Share = field(default_factory=Share)


@dataclass(frozen=True, slots=True)
class Retrieved:
    """How often `held` photos find their entry by words alone, among all entries, with ConSE and with a projection.

    `before` and `after` are the shares whose own entry comes first, `before_5` and `after_5` among the first five;
    `sooner` of them find it sooner with the projection, `later` later.
    """

    held: int = 0
    before: Share = field(default_factory=Share)
    after: Share = field(default_factory=Share)
    before_5: Share = field(default_factory=Share)
    after_5: Share = field(default_factory=Share)
    sooner: int = 0
    later: int = 0


@dataclass(frozen=True, slots=True)
class Aligned:
    """What came of aligning photos with words, on `pairs` of `entries`; `why` says why it is `kept` or not.

    `seen` is about photos of entries that it was trained on, `unseen` about those of entries of which it saw none.
    """

    kept: bool
    why: str
    pairs: int = 0
    entries: int = 0
    steps: int = 0
    seen: Retrieved = field(default_factory=Retrieved)
    unseen: Retrieved = field(default_factory=Retrieved)


@dataclass(frozen=True, slots=True)
class Results:
    """Everything that `workers.train.report` tells of a training.

    `at` is when it ended, UTC ms, 0 when unknown; `model` names what was made; `budget` is the share of answers that
    may be wrong. `chosen` names one of `strategies`, `reason` says why in a sentence. `held` are the held-out
    questions, none of which trained, chose, stopped or calibrated anything; `selected` the threshold of the budget and
    of others beside it, told by labelled questions, `groups` those of the budget by group of channels. `warnings` are
    for whoever keeps the knowledge base. `finetuned` is None where nobody asked for it, `aligned` where no photo
    belongs to an entry.
    """

    title: str
    counts: Counts
    budget: float
    language: str = "en"
    at: int = 0
    model: str = ""
    stages: tuple[Timed, ...] = ()
    strategies: tuple[Compared, ...] = ()
    chosen: str = ""
    reason: str = ""
    entries: tuple[EntryQuality, ...] = ()
    held: tuple[Held, ...] = ()
    ablation: tuple[Ablation, ...] = ()
    weights: tuple[Weighed, ...] = ()
    calibration: Calibration | None = None
    selected: tuple[Selected, ...] = ()
    groups: dict[str, Selected] = field(default_factory=dict)
    promotion: Promotion | None = None
    warnings: tuple[Finding, ...] = ()
    curves: tuple[Curve, ...] = ()
    finetuned: Finetuned | None = None
    aligned: Aligned | None = None

    @property
    def accuracy(self) -> Share:
        """The share of held-out questions in scope whose entry was found."""
        inside = [one.case for one in self.held if one.case.inside]
        return Share.of(sum(case.right for case in inside), len(inside))

    @property
    def automated(self) -> Share:
        """The share of all held-out questions that were answered automatically."""
        return Share.of(sum(one.decision == ANSWER for one in self.held), len(self.held))

    @property
    def wrong(self) -> Share:
        """The share of automatic answers to held-out questions that were wrong."""
        answers = [one.case for one in self.held if one.decision == ANSWER]
        return Share.of(sum(not case.right for case in answers), len(answers))

    @property
    def threshold(self) -> Selected | None:
        """What was selected for the budget over all questions; not in force where there are `kinds`."""
        return next((one for one in self.selected if math.isclose(one.budget, self.budget)), None)

    @property
    def kinds(self) -> dict[str, Selected]:
        """The `groups` where these are in force; empty where what was selected over all questions is.

        As in `workers.model.trained.Trained.proven`: once a single group is proven, that of all questions counts for
        none, and every group that is not proven has an estimate.
        """
        return self.groups if any(one.guaranteed for one in self.groups.values()) else {}


def dumps(results: Results) -> str:
    """One line of JSON; what is no finite number becomes null."""
    return wire.dumps(results)


def loads(text: str | bytes) -> Results:
    """What `dumps` wrote.

    Raises:
        BadInput: it is none.
    """
    return wire.loads(Results, text)


def qualities(
    knowledge: KnowledgeBase, held: Sequence[Held], examples: Mapping[str, int] | None = None
) -> tuple[EntryQuality, ...]:
    """A line for every live entry in the knowledge base's order, `none` last when a question was out of scope.

    Without support, recall cannot be measured, without support or answers neither can precision nor F1: None then.

    Args:
        knowledge: what was trained on.
        held: as in `Results`.
        examples: labelled turns by entry that were learned from, beside the phrases.
    """
    found = metrics.per_entry([one.case for one in held])
    more = examples or {}
    rows = [(one.id, one.question, len(one.phrases), len(one.photos)) for one in knowledge.live]
    if NONE in found:
        rows.append((NONE, "", 0, 0))
    lines = []
    for id, question, phrases, photos in rows:
        one = found.get(id)
        recall = one.recall if one and one.support else None
        precision, f1 = (one.precision, one.f1) if one else (None, None)
        support = one.support if one else 0
        lines.append(
            EntryQuality(id, question, precision, recall, f1, support, phrases + more.get(id, 0), photos=photos)
        )
    return tuple(lines)
