from .explainer import Explainer as Explainer
from .judging import Judge as Judge
from .timing import Pace as Pace
