from pathlib import Path

from core.methods.gradients import integrated_gradients as integrated_gradients
from core.methods.occlusion import OcclusionSurvey as OcclusionSurvey
from core.models.named_in_code import load as load
from core.models.named_in_code import use_folder as use_folder
from core.notebook import explain as explain
from core.pictures.images import open_image as open_image

ROOT: Path
