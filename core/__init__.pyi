from .methods.gradients import integrated_gradients as integrated_gradients
from .methods.occlusion import OcclusionSurvey as OcclusionSurvey
from .models.named_in_code import load as load
from .models.named_in_code import use_folder as use_folder
from .notebook import explain as explain
from .pictures.images import open_image as open_image
