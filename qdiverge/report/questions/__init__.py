"""What a report shows: the questions of a reader in their order, each with its panels."""

from qdiverge.report.questions.health import HEALTH
from qdiverge.report.questions.learning import LEARNING
from qdiverge.report.questions.next_update import CONTRACTION, KERNEL
from qdiverge.report.questions.odd_data import DATA
from qdiverge.report.questions.values import BLOW_UP, TRUTH
from qdiverge.report.questions.watching import WATCHING

QUESTIONS = (BLOW_UP, TRUTH, CONTRACTION, KERNEL, HEALTH, DATA, LEARNING, WATCHING)

__all__ = ["KERNEL", "QUESTIONS"]
