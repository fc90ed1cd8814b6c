"""BibTeX entries of the attribution methods, and which method uses which."""

from collections.abc import Iterable

from ..methods.gradient_methods import SmoothSetting
from ..methods.registry import METHODS
from ..methods.settings import Setting

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
    "chattopadhay2018gradcampp": """@inproceedings{chattopadhay2018gradcampp,
  title = {{Grad-CAM}++: Improved Visual Explanations for Deep Convolutional Networks},
  author = {Chattopadhay, Aditya and Sarkar, Anirban and Howlader, Prantik and
    Balasubramanian, Vineeth N.},
  booktitle = {IEEE Winter Conference on Applications of Computer Vision},
  year = {2018}
}""",
    "fu2020axiom": """@inproceedings{fu2020axiom,
  title = {Axiom-Based {Grad-CAM}: Towards Accurate Visualization and Explanation of {CNNs}},
  author = {Fu, Ruigang and Hu, Qingyong and Dong, Xiaohu and Guo, Yulan and Gao, Yinghui and
    Li, Biao},
  booktitle = {British Machine Vision Conference},
  year = {2020}
}""",
    "draelos2020use": """@article{draelos2020use,
  title = {Use {HiResCAM} Instead of {Grad-CAM} for Faithful Explanations of Convolutional Neural
    Networks},
  author = {Draelos, Rachel Lea and Carin, Lawrence},
  journal = {arXiv:2011.08891},
  year = {2020}
}""",
    "jiang2021layercam": """@article{jiang2021layercam,
  title = {{LayerCAM}: Exploring Hierarchical Class Activation Maps for Localization},
  author = {Jiang, Peng-Tao and Zhang, Chang-Bin and Hou, Qibin and Cheng, Ming-Ming and
    Wei, Yunchao},
  journal = {IEEE Transactions on Image Processing},
  volume = {30},
  year = {2021}
}""",
    "wang2020score": """@inproceedings{wang2020score,
  title = {{Score-CAM}: Score-Weighted Visual Explanations for Convolutional Neural Networks},
  author = {Wang, Haofan and Wang, Zifan and Du, Mengnan and Yang, Fan and Zhang, Zijian and
    Ding, Sirui and Mardziel, Piotr and Hu, Xia},
  booktitle = {IEEE/CVF Conference on Computer Vision and Pattern Recognition Workshops},
  year = {2020}
}""",
    "desai2020ablation": """@inproceedings{desai2020ablation,
  title = {{Ablation-CAM}: Visual Explanations for Deep Convolutional Network via Gradient-Free
    Localization},
  author = {Desai, Saurabh and Ramaswamy, Harish G.},
  booktitle = {IEEE Winter Conference on Applications of Computer Vision},
  year = {2020}
}""",
    "muhammad2020eigencam": """@inproceedings{muhammad2020eigencam,
  title = {{Eigen-CAM}: Class Activation Map Using Principal Components},
  author = {Muhammad, Mohammed Bany and Yeasin, Mohammed},
  booktitle = {International Joint Conference on Neural Networks},
  year = {2020}
}""",
    "petsiuk2018rise": """@inproceedings{petsiuk2018rise,
  title = {{RISE}: Randomized Input Sampling for Explanation of Black-box Models},
  author = {Petsiuk, Vitali and Das, Abir and Saenko, Kate},
  booktitle = {British Machine Vision Conference},
  year = {2018}
}""",
    "covert2021improving": """@inproceedings{covert2021improving,
  title = {Improving {KernelSHAP}: Practical {Shapley} Value Estimation Using Linear Regression},
  author = {Covert, Ian and Lee, Su-In},
  booktitle = {International Conference on Artificial Intelligence and Statistics},
  year = {2021}
}""",
    "ribeiro2016why": """@inproceedings{ribeiro2016why,
  title = {"{Why} Should {I} Trust You?": Explaining the Predictions of Any Classifier},
  author = {Ribeiro, Marco Tulio and Singh, Sameer and Guestrin, Carlos},
  booktitle = {ACM SIGKDD International Conference on Knowledge Discovery and Data Mining},
  year = {2016}
}""",
    "abnar2020quantifying": """@inproceedings{abnar2020quantifying,
  title = {Quantifying Attention Flow in Transformers},
  author = {Abnar, Samira and Zuidema, Willem},
  booktitle = {Annual Meeting of the Association for Computational Linguistics},
  year = {2020}
}""",
    "chefer2021generic": """@inproceedings{chefer2021generic,
  title = {Generic Attention-Model Explainability for Interpreting Bi-Modal and Encoder-Decoder
    Transformers},
  author = {Chefer, Hila and Gur, Shir and Wolf, Lior},
  booktitle = {IEEE/CVF International Conference on Computer Vision},
  year = {2021}
}""",
    "bousselham2025legrad": """@inproceedings{bousselham2025legrad,
  title = {{LeGrad}: An Explainability Method for Vision Transformers via Feature Formation
    Sensitivity},
  author = {Bousselham, Walid and Boggust, Angie and Chaybouti, Sofian and Strobelt, Hendrik and
    Kuehne, Hilde},
  booktitle = {IEEE/CVF International Conference on Computer Vision},
  year = {2025}
}""",
    "bach2015pixel": """@article{bach2015pixel,
  title = {On Pixel-Wise Explanations for Non-Linear Classifier Decisions by Layer-Wise Relevance
    Propagation},
  author = {Bach, Sebastian and Binder, Alexander and Montavon, Gr{\\'e}goire and
    Klauschen, Frederick and M{\\"u}ller, Klaus-Robert and Samek, Wojciech},
  journal = {PLOS ONE},
  volume = {10},
  number = {7},
  year = {2015}
}""",
    "montavon2019layer": """@incollection{montavon2019layer,
  title = {Layer-Wise Relevance Propagation: An Overview},
  author = {Montavon, Gr{\\'e}goire and Binder, Alexander and Lapuschkin, Sebastian and
    Samek, Wojciech and M{\\"u}ller, Klaus-Robert},
  booktitle = {Explainable {AI}: Interpreting, Explaining and Visualizing Deep Learning},
  publisher = {Springer},
  year = {2019}
}""",
    "kohlbrenner2020towards": """@inproceedings{kohlbrenner2020towards,
  title = {Towards Best Practice in Explaining Neural Network Decisions with {LRP}},
  author = {Kohlbrenner, Maximilian and Bauer, Alexander and Nakajima, Shinichi and
    Binder, Alexander and Samek, Wojciech and Lapuschkin, Sebastian},
  booktitle = {International Joint Conference on Neural Networks},
  year = {2020}
}""",
    "achtibat2024attnlrp": """@inproceedings{achtibat2024attnlrp,
  title = {{AttnLRP}: Attention-Aware Layer-Wise Relevance Propagation for Transformers},
  author = {Achtibat, Reduan and Hatefi, Sayed Mohammad Vakilzadeh and Dreyer, Maximilian and
    Jain, Aakriti and Wiegand, Thomas and Lapuschkin, Sebastian and Samek, Wojciech},
  booktitle = {International Conference on Machine Learning},
  year = {2024}
}""",
    "carter2019what": """@inproceedings{carter2019what,
  title = {What Made You Do This? Understanding Black-Box Decisions with Sufficient Input Subsets},
  author = {Carter, Brandon and Mueller, Jonas and Jain, Siddhartha and Gifford, David},
  booktitle = {International Conference on Artificial Intelligence and Statistics (AISTATS)},
  year = {2019}
}""",
    "chockler2023multiple": """@article{chockler2023multiple,
  title = {Multiple Different Black Box Explanations for Image Classifiers},
  author = {Chockler, Hana and Kelly, David A. and Kroening, Daniel},
  journal = {arXiv preprint arXiv:2309.14309},
  year = {2023}
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


def keys(setting: Setting) -> tuple[str, ...]:
    """The BibTeX keys of a method; of a smoothed one, those of the method that it smooths too."""
    own = METHODS[setting.name].papers
    return own + keys(setting.method) if isinstance(setting, SmoothSetting) else own


def bibtex(settings: Iterable[Setting]) -> str:
    """The entries of the methods used, each once, in the order of their use."""
    used = dict.fromkeys(key for setting in settings for key in keys(setting))
    return "\n\n".join(_ENTRIES[key] for key in used) + "\n"
