"""BibTeX of the methods that were used, and of no others."""

from collections.abc import Iterable

from core.settings import Setting, SmoothSetting, method_name

_ENTRIES = {
    "zeiler2014visualizing": """@inproceedings{zeiler2014visualizing,
  title = {Visualizing and Understanding Convolutional Networks},
  author = {Zeiler, Matthew D. and Fergus, Rob},
  booktitle = {European Conference on Computer Vision},
  year = {2014}
}""",
    "sundararajan2017axiomatic": """@inproceedings{sundararajan2017axiomatic,
  title = {Axiomatic Attribution for Deep Networks},
  author = {Sundararajan, Mukund and Taly, Ankur and Yan, Qiqi},
  booktitle = {International Conference on Machine Learning},
  year = {2017}
}""",
    "simonyan2014deep": """@inproceedings{simonyan2014deep,
  title = {Deep Inside Convolutional Networks: Visualising Image Classification Models and
    Saliency Maps},
  author = {Simonyan, Karen and Vedaldi, Andrea and Zisserman, Andrew},
  booktitle = {International Conference on Learning Representations, Workshop},
  year = {2014}
}""",
    "shrikumar2016not": """@article{shrikumar2016not,
  title = {Not Just a Black Box: Learning Important Features Through Propagating Activation
    Differences},
  author = {Shrikumar, Avanti and Greenside, Peyton and Shcherbina, Anna and Kundaje, Anshul},
  journal = {arXiv:1605.01713},
  year = {2016}
}""",
    "shrikumar2017learning": """@inproceedings{shrikumar2017learning,
  title = {Learning Important Features Through Propagating Activation Differences},
  author = {Shrikumar, Avanti and Greenside, Peyton and Kundaje, Anshul},
  booktitle = {International Conference on Machine Learning},
  year = {2017}
}""",
    "smilkov2017smoothgrad": """@article{smilkov2017smoothgrad,
  title = {{SmoothGrad}: Removing Noise by Adding Noise},
  author = {Smilkov, Daniel and Thorat, Nikhil and Kim, Been and Vi{\\'e}gas, Fernanda and
    Wattenberg, Martin},
  journal = {arXiv:1706.03825},
  year = {2017}
}""",
    "hooker2019benchmark": """@inproceedings{hooker2019benchmark,
  title = {A Benchmark for Interpretability Methods in Deep Neural Networks},
  author = {Hooker, Sara and Erhan, Dumitru and Kindermans, Pieter-Jan and Kim, Been},
  booktitle = {Advances in Neural Information Processing Systems},
  year = {2019}
}""",
    "adebayo2018local": """@article{adebayo2018local,
  title = {Local Explanation Methods for Deep Neural Networks Lack Sensitivity to Parameter Values},
  author = {Adebayo, Julius and Gilmer, Justin and Goodfellow, Ian and Kim, Been},
  journal = {arXiv:1810.03307},
  year = {2018}
}""",
    "lundberg2017unified": """@inproceedings{lundberg2017unified,
  title = {A Unified Approach to Interpreting Model Predictions},
  author = {Lundberg, Scott M. and Lee, Su-In},
  booktitle = {Advances in Neural Information Processing Systems},
  year = {2017}
}""",
    "springenberg2015striving": """@inproceedings{springenberg2015striving,
  title = {Striving for Simplicity: The All Convolutional Net},
  author = {Springenberg, Jost Tobias and Dosovitskiy, Alexey and Brox, Thomas and
    Riedmiller, Martin},
  booktitle = {International Conference on Learning Representations, Workshop},
  year = {2015}
}""",
    "selvaraju2017grad": """@inproceedings{selvaraju2017grad,
  title = {{Grad-CAM}: Visual Explanations from Deep Networks via Gradient-Based Localization},
  author = {Selvaraju, Ramprasaath R. and Cogswell, Michael and Das, Abhishek and
    Vedantam, Ramakrishna and Parikh, Devi and Batra, Dhruv},
  booktitle = {IEEE International Conference on Computer Vision},
  year = {2017}
}""",
    "achanta2012slic": """@article{achanta2012slic,
  title = {{SLIC} Superpixels Compared to State-of-the-Art Superpixel Methods},
  author = {Achanta, Radhakrishna and Shaji, Appu and Smith, Kevin and Lucchi, Aurelien and
    Fua, Pascal and S{\\"u}sstrunk, Sabine},
  journal = {IEEE Transactions on Pattern Analysis and Machine Intelligence},
  volume = {34},
  number = {11},
  year = {2012}
}""",
}

_USED = {
    "occlusion": ("zeiler2014visualizing",),
    "superpixels": ("zeiler2014visualizing", "achanta2012slic"),
    "integrated_gradients": ("sundararajan2017axiomatic",),
    "saliency": ("simonyan2014deep",),
    "input_x_gradient": ("shrikumar2016not",),
    "smoothgrad": ("smilkov2017smoothgrad",),
    "smoothgrad_sq": ("hooker2019benchmark",),
    "vargrad": ("adebayo2018local",),
    "gradient_shap": ("lundberg2017unified",),
    "deep_lift": ("shrikumar2017learning",),
    "guided_backprop": ("springenberg2015striving",),
    "grad_cam": ("selvaraju2017grad",),
    "guided_grad_cam": ("selvaraju2017grad", "springenberg2015striving"),
}


def keys(setting: Setting) -> tuple[str, ...]:
    """The BibTeX keys of a method; of a smoothed one, those of the method that it smooths too."""
    own = _USED[method_name(setting)]
    return own + keys(setting.method) if isinstance(setting, SmoothSetting) else own


def bibtex(settings: Iterable[Setting]) -> str:
    """The entries of the methods used, each once, in the order of their use."""
    used = dict.fromkeys(key for setting in settings for key in keys(setting))
    return "\n\n".join(_ENTRIES[key] for key in used) + "\n"
