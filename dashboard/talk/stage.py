"""The scenes of a talk, drawn: few words in large type, on the dark stage of `talk.css`."""

from collections.abc import Callable, Sequence
from contextlib import closing

import streamlit as st

from core.drawing.captions import finding
from core.drawing.rendering import data_uri
from core.explaining.explainer import Explainer
from core.methods.attribution import Attribution, Step
from core.methods.regions import covered_by
from core.methods.scores import Question
from core.models.classifiers import Classifier
from core.models.labels import search
from core.pictures.masks import mask_from_bits
from core.talks.scenes import (
    AnswerScene,
    BrushScene,
    ContrastScene,
    MapsScene,
    PhotoScene,
    RegionScene,
    Scene,
    TrustScene,
)
from core.talks.warming import TRUST, Wanted, case_of, wanted
from core.text import escape, plain
from core.trust.judgement import JudgementStep
from dashboard.browser import components
from dashboard.drawing import view
from dashboard.session import live, state
from dashboard.talk.place import ScenePlace
from dashboard.talk.slides import (
    bars,
    changed,
    figure,
    frame,
    map_panels,
    says,
    scale,
    share,
    short,
    trust_line,
    verdict,
)

_END = 20  # letters at an end of a scale


def draw(place: ScenePlace, explainer: Explainer, scene: Scene, classifier: Classifier) -> None:
    """Draw one scene, computing what is not known yet.

    Raises:
        UserError: it cannot be made.
    """
    match scene:
        case AnswerScene():
            _answer(place, explainer, scene, classifier)
        case MapsScene():
            _maps(place, explainer, scene, classifier)
        case BrushScene():
            _brush(place, explainer, scene, classifier)
        case RegionScene():
            _region(place, explainer, scene, classifier)
        case ContrastScene():
            _contrast(place, explainer, scene, classifier)
        case TrustScene():
            _trust(place, explainer, scene, classifier)
        case PhotoScene():
            _photo(place, explainer, scene, classifier)


def _answer(
    place: ScenePlace, explainer: Explainer, scene: AnswerScene, classifier: Classifier
) -> None:
    (shown,) = scene.pictures
    ranking = classifier.ranking(
        explainer.logits(classifier, shown.picture), len(classifier.class_names)
    )
    photo = view.stage_uri(view.Scene(shown.picture, classifier))
    judged = verdict(shown, ranking, classifier)
    body = (
        f'<div class="left"><img class="photo" src="{photo}" alt="{escape(shown.label or "")}">'
        f'</div><div class="right">{says(ranking, classifier.head)}{judged}</div>'
    )
    place.show(frame(scene.title, body, "two"))


def _maps(
    place: ScenePlace, explainer: Explainer, scene: MapsScene, classifier: Classifier
) -> None:
    asked = wanted(explainer, scene, classifier)

    def show(found: Sequence[Attribution | None], progress: str) -> None:
        panels = map_panels(asked, found)
        cells = "".join(
            figure(panel, short(explainer, each)) for panel, each in zip(panels, asked, strict=True)
        )
        count = f"--count:{len(asked)}"
        bar = scale(panels, *classifier.head.signs, progress)
        place.show(
            frame(scene.title, f'<div class="maps" style="{count}">{cells}</div>{bar}', "rows")
        )

    _compute(explainer, asked, show)


def _brush(
    place: ScenePlace, explainer: Explainer, scene: BrushScene, classifier: Classifier
) -> None:
    (shown,) = scene.pictures
    each = view.Scene(shown.picture, classifier)
    before = classifier.ranking(
        explainer.logits(classifier, shown.picture), len(classifier.class_names)
    )
    picture = view.stage_uri(each)
    # Another key each time, so that a scene begins unpainted, whatever was tried before.
    turns = st.session_state.get("talk_turns", 0)
    with place.touched("talk_canvas"):
        bits = components.brush(
            picture,
            each.size,
            key=f"talk_brush_{turns}",
            alt="The model's input; paint over what is to be covered.",
        )
    after, kind, note = before, "", "&nbsp;"  # room for the note, so that nothing moves
    if bits is not None:
        mask = mask_from_bits(bits, each.size)
        covered = explainer.covered(classifier, shown.picture, mask, scene.baseline)
        after = classifier.ranking(covered, len(classifier.class_names))
        kind = "flipped" if changed(before, after, classifier.head) else ""
        note = f"It was {escape(before[0].name)}, {share(before[0], classifier.head)}."
    told = says(after, classifier.head, kind)
    body = f'<div class="right">{told}<p class="verdict">{note}</p></div>'
    place.show(frame(scene.title, body, "two"))


def _region(
    place: ScenePlace, explainer: Explainer, scene: RegionScene, classifier: Classifier
) -> None:
    asked = wanted(explainer, scene, classifier)
    (shown,) = scene.pictures
    before = classifier.ranking(
        explainer.logits(classifier, shown.picture), len(classifier.class_names)
    )
    whole = view.stage_uri(view.Scene(shown.picture, classifier))

    def show(picture: str, right: str) -> None:
        photo = f'<img class="photo" src="{picture}" alt="{escape(shown.label or "")}">'
        body = f'<div class="left">{photo}</div><div class="right">{right}</div>'
        place.show(frame(scene.title, body, "two"))

    (made,) = _compute(
        explainer,
        asked,
        lambda _, progress: show(
            whole,
            f'{says(before, classifier.head)}<p class="verdict">{escape(progress)}&nbsp;</p>',
        ),
    )
    part = (classifier, shown.picture, covered_by(made), scene.setting.baseline)
    after = classifier.ranking(explainer.covered(*part), len(classifier.class_names))
    kind = "flipped" if changed(before, after, classifier.head) else ""
    note = escape(finding(made, None, classifier.class_names))
    image = data_uri(explainer.covered_image(*part))
    show(image, f'{says(after, classifier.head, kind)}<p class="verdict">{note}</p>')


def _contrast(
    place: ScenePlace, explainer: Explainer, scene: ContrastScene, classifier: Classifier
) -> None:
    asked = wanted(explainer, scene, classifier)
    names = classifier.class_names
    (shown,) = scene.pictures
    ranking = classifier.ranking(explainer.logits(classifier, shown.picture), len(names))
    target = names[asked[0].question.target]
    against = names[scene.against]
    absent, chosen = "", [asked[0].question.target, scene.against]
    if scene.absent is not None:
        absent = f'<p class="big">No {escape(scene.absent)} among the {len(names):,} classes.</p>'
        nearest = search(names, scene.absent).nearest
        chosen += nearest
    entries = [entry for entry in ranking if entry.index in chosen][:4]
    ends = {scene.against: "low", asked[0].question.target: "high"}

    def show(found: Sequence[Attribution | None], progress: str) -> None:
        panels = map_panels(asked, found)
        bar = scale(panels, plain(against, _END), plain(target, _END), progress)
        place.show(
            frame(
                scene.title,
                f'<div class="left">{figure(panels[0])}{bar}</div>'
                f'<div class="right">{absent}{bars(entries, classifier.head, ends)}</div>',
                "two",
            )
        )

    _compute(explainer, asked, show)


def _trust(
    place: ScenePlace, explainer: Explainer, scene: TrustScene, classifier: Classifier
) -> None:
    asked = wanted(explainer, scene, classifier)
    (each,) = asked

    def draw(found: Sequence[Attribution | None], badges: str, progress: str) -> None:
        panels = map_panels(asked, found)
        bar = scale(panels, *classifier.head.signs, progress)
        place.show(
            frame(
                scene.title,
                f'<div class="left">{figure(panels[0])}{bar}</div>'
                f'<div class="right trust">{badges}</div>',
                "two",
            )
        )

    found = _compute(explainer, asked, lambda found, progress: draw(found, "", progress))
    with closing(state.judge().steps(case_of(explainer, each), TRUST)) as steps:

        def form(step: JudgementStep) -> None:
            draw(found, trust_line(step.snapshot()), _passes(step.done, step.total))

        *_, last = live.paced(steps, form)
    draw(found, trust_line(last.snapshot()), "")


def _photo(
    place: ScenePlace, explainer: Explainer, scene: PhotoScene, classifier: Classifier
) -> None:
    with place.touched("talk_photo"):
        source = st.segmented_control(
            "Photo from", ["File", "Camera"], default="File", key="talk_source", required=True
        )
        if source == "Camera":
            given = st.container().camera_input("Take a photo", label_visibility="collapsed")
            st.empty()
        else:
            st.empty()
            given = st.container().file_uploader(
                "Your photo",
                type=state.UPLOAD_TYPES,
                label_visibility="collapsed",
            )
    if given is None:
        place.show(frame(scene.title, "", "photo"))
        return
    picture = state.opened("talk_picture", given.file_id, given.getvalue())
    ranking = classifier.ranking(explainer.logits(classifier, picture), len(classifier.class_names))
    photo = view.stage_uri(view.Scene(picture, classifier))
    question = Question(ranking[0].index, head=classifier.head)
    asked = [Wanted(classifier, picture, scene.setting, question)]

    def show(found: Sequence[Attribution | None], progress: str) -> None:
        panels = map_panels(asked, found)
        bar = scale(panels, *classifier.head.signs, progress)
        place.show(
            frame(
                scene.title,
                f'<div class="left"><img class="photo" src="{photo}" alt="The photo"></div>'
                f'<div class="middle">{figure(panels[0])}{bar}</div>'
                f'<div class="right">{says(ranking, classifier.head)}</div>',
                "three given",
            )
        )

    _compute(explainer, asked, show)


def _compute(
    explainer: Explainer,
    asked: Sequence[Wanted],
    show: Callable[[Sequence[Attribution | None], str], None],
) -> list[Attribution]:
    """The maps of a scene; those that are not known form on the stage one after the other."""
    found: list[Attribution | None] = [None] * len(asked)
    missing = []
    for place, each in enumerate(asked):
        arguments = (each.classifier, each.picture, each.setting, each.question)
        if explainer.forecast(*arguments).passes:
            missing.append((place, arguments))
        else:
            found[place] = explainer.attribution(*arguments)
    show(found, "")
    for place, arguments in missing:
        with state.line().admitted(lambda before: show(found, live.people(before))):
            steps = explainer.steps(*arguments)

            def form(step: Step, place: int = place) -> None:
                found[place] = step.snapshot()
                show(found, _passes(step.done, step.total))

            with closing(steps):
                *_, last = live.paced(steps, form)
            found[place] = last.snapshot()
            show(found, "")
    return [each for each in found if each is not None]


def _passes(done: int, total: int) -> str:
    return f"{done:,} of {total:,} passes"
