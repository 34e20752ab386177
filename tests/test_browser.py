"""The page that classifies in the browser: it agrees with Python, and sends nothing anywhere."""

import io
import re
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from playwright.sync_api import Page

import galaxies
from browser import build
from galaxies.bundle.pretrained import PRETRAINED
from galaxies.errors import GalaxiesError
from galaxies.judgement.appearance import appearance
from tests.conftest import draw_galaxy, encode

BUNDLE = PRETRAINED / "real"
SLOW = 180_000  # milliseconds; the machines of CI are shared


@pytest.fixture(scope="module")
def html(tmp_path_factory) -> Path:
    """The page as one file, or a skip."""
    if not build.has_runtime():
        pytest.skip("no ONNX Runtime; npm ci --ignore-scripts --prefix browser")
    path = tmp_path_factory.mktemp("browser") / "page.html"
    build.build_page(BUNDLE, path)
    return path


@pytest.fixture
def page(html, browser):
    """The page, opened from the disk, once it shows its first example."""
    problems: list[str] = []
    context = browser.new_context()
    page = context.new_page()
    page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(html.as_uri(), timeout=SLOW)
    page.wait_for_selector("#one[data-drawn]", timeout=SLOW)
    yield page
    context.close()
    assert problems == []


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def frames() -> dict[str, bytes]:
    """Galaxies of several sizes and kinds, and what is none."""
    random = np.random.default_rng(11)
    made = {}
    for number in range(40):
        side = (64, 120, 201, 424)[number % 4]
        drawn = draw_galaxy(random, spiral=number % 2 == 1, side=side)
        kinds = ({}, {"subsampling": 0}, {"progressive": True}, {"quality": 60})
        made[f"{number}.jpg"] = encode(drawn, **kinds[number // 4 % 4])
    made["plain.png"] = png(draw_galaxy(random, spiral=True, side=200))
    made["grey.jpg"] = encode(draw_galaxy(random, spiral=False, side=200)[..., 0])
    made["broken.jpg"] = made["3.jpg"][:20]
    made["text.jpg"] = b"nothing"
    made["blank.png"] = png(np.full((99, 99, 3), 7, np.uint8))
    return made


def classified(page: Page, path: Path, count: int) -> pd.DataFrame:
    page.set_input_files("#files", path)
    page.locator("#counts", has_text=f"{count} galaxies").wait_for(timeout=SLOW)
    with page.expect_download() as saved:
        page.click("#save")
    content = saved.value.path().read_bytes()
    return pd.read_csv(io.BytesIO(content), dtype={"galaxy_id": str}).set_index("galaxy_id")


def test_it_answers_as_python_does(page, tmp_path):
    files = frames()
    path = tmp_path / "frames.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, frame in files.items():
            archive.writestr(f"folder/{name}", frame)
        archive.writestr("notes.txt", "no image")
        archive.writestr("__MACOSX/._3.jpg", b"no image either")
    found = classified(page, path, len(files))
    expected = galaxies.load(BUNDLE, agreement=0.9).classify(list(files.values()))
    expected.index = pd.Index([Path(name).stem for name in files], name="galaxy_id")
    found = found.loc[expected.index]
    unread = expected["error"].notna()
    assert set(expected.index[unread]) == {"broken", "text", "blank"}
    assert (found["error"].notna() == unread).all()
    assert found["error"]["text"] == expected["error"]["text"]
    assert found["error"]["blank"] == expected["error"]["blank"]
    apart = (found["p_spiral"] - expected["p_spiral"])[~unread].abs()
    assert apart.quantile(0.95) <= 0.02
    assert (found["familiar"][~unread] == expected["familiar"][~unread]).all()
    assert found["familiar"][unread].isna().all()
    sure = ~unread & ((expected["p_spiral"] - 0.5).abs() > 0.05)
    assert (found["label"] == expected["label"])[sure].all()


def zipped(path: Path, images: list[bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for number, image in enumerate(images):
            archive.writestr(f"{number}.jpg", image)
    return path


def noise(count: int) -> list[bytes]:
    random = np.random.default_rng(12)
    return [encode(random.integers(0, 255, (96, 96, 3)).astype(np.uint8)) for _ in range(count)]


def the_examples() -> list[bytes]:
    """Simulated galaxies that are familiar to the network, eight orientations of each."""
    made = []
    for path in sorted(build.EXAMPLES.glob("*.jpg")):
        with Image.open(path) as image:
            for view in range(8):
                pixels = np.rot90(np.asarray(image), view)
                made.append(png(np.ascontiguousarray(pixels[:, ::-1] if view >= 4 else pixels)))
    return made


@pytest.mark.parametrize(
    ("galaxies_with_noise", "says"),
    [
        (
            (0, 90),
            "90 of 90 do not look like the galaxies that the network knows, more than chance",
        ),
        ((40, 1), "1 of 41 do not look like the galaxies that the network knows: it does not"),
        ((40, 5), "it decides none of the 45"),
        ((0, 1), "It does not look like the galaxies that the network knows: nothing is decided"),
    ],
)
def test_what_looks_unfamiliar_is_not_decided(page, tmp_path, galaxies_with_noise, says):
    alike, odd = galaxies_with_noise
    images = [*the_examples()[:alike], *noise(odd)]
    python = galaxies.load(BUNDLE, agreement=0.9).classify(images)
    assert (python["familiar"] == (np.arange(len(images)) < alike)).all()
    path = zipped(tmp_path / "images.zip", images)
    if len(images) == 1:
        page.set_input_files("#files", path)
        page.locator("#verdict", has_text="not decided: looks unfamiliar").wait_for(timeout=SLOW)
    else:
        table = classified(page, path, len(images)).loc[python.index.astype(str)]
        assert table["familiar"].tolist() == python["familiar"].tolist()
        assert table["decision"].tolist() == python["decision"].tolist()
    assert says in page.inner_text("#said")


def test_how_far_an_image_is_from_the_known_galaxies_is_that_of_python(page):
    known = galaxies.load(BUNDLE).predictor.known
    random = np.random.default_rng(14)
    drawn = [draw_galaxy(random, spiral=bool(number % 2), side=64) for number in range(8)]
    images = np.stack([*drawn, random.integers(0, 256, (64, 64, 3)).astype(np.uint8)])
    script = (build.HERE / "appearance.js").read_text("utf-8")  # otherwise in the workers alone
    looks_of = f"""given => {{
        {script}
        return given[0].map(pixels => appearanceOf(pixels, given[1]));
    }}"""
    sizes = {64: images, 40: images[:, 3:43, 5:45], 16: images[:, 24:40, 24:40]}
    for size, pixels in sizes.items():
        looks = page.evaluate(looks_of, [pixels.reshape(len(pixels), -1).tolist(), size])
        np.testing.assert_allclose(looks, appearance(pixels), atol=2e-5)
    p_values = page.evaluate(
        f"""looks => {{
            {script}
            return looks.map(each => {{
                const distance = distanceOf(each, model.known);
                return [distance, pValue(distance, model.known)];
            }});
        }}""",
        appearance(images).tolist(),
    )
    distances = known.distance(appearance(images))
    np.testing.assert_allclose([each[0] for each in p_values], distances, rtol=1e-5)
    np.testing.assert_allclose([each[1] for each in p_values], known.p_values(appearance(images)))


def test_its_test_of_a_survey_is_that_of_python(page):
    known = galaxies.load(BUNDLE).predictor.known
    cases = [(0, 0), (0, 9), (1, 1), (1, 90), (3, 100), (9, 100), (25, 1000), (40, 1000), (90, 90)]
    found = page.evaluate(
        """cases => cases.map(([unfamiliar, galaxies]) => [
            surveyPValue(unfamiliar, galaxies, model.known),
            surveyIsFamiliar(unfamiliar, galaxies, model.known)])""",
        cases,
    )
    expected = [(known.survey_p_value(*case), known.survey_is_familiar(*case)) for case in cases]
    np.testing.assert_allclose(
        [each[0] for each in found], [each[0] for each in expected], rtol=1e-6, atol=1e-12
    )
    assert [each[1] for each in found] == [each[1] for each in expected]
    few = {name: values.tolist() for name, values in known._asdict().items()}
    few["distances"] = few["distances"][:98]
    ask = "few => [isFamiliar(1, few), surveyIsFamiliar(0, 9, few)]"
    assert page.evaluate(ask, few) == [None, None]


def test_its_evidence_is_that_of_python(page):
    classifier = galaxies.load(BUNDLE)
    frame = draw_galaxy(np.random.default_rng(13), spiral=True, side=64)
    data = png(np.pad(frame, ((32, 32), (32, 32), (0, 0)), "edge"))
    pixels = classifier.prepare(data)
    asked = ("bar", "bar_yes"), ("arm_number", "arms_2")
    for question, answer in asked:
        expected = classifier.explain(pixels[None], question, answer)[0]
        found = page.evaluate(
            """async ([bytes, words]) => {
                const files = [new Uint8Array(bytes).buffer];
                const [image] = await crew.members[0].ask("read", { files });
                const asked = model.asked.find(one => one.words === words);
                const seen = await crew.members[0].ask(
                    "look", { pixels: image.pixels, numbers: image.numbers[0], asked });
                return [Array.from(image.pixels), Array.from(seen.evidence)];
            }""",
            [list(data), {"bar_yes": "bar", "arms_2": "2 arms"}[answer]],
        )
        np.testing.assert_array_equal(np.array(found[0]).reshape(pixels.shape), pixels)
        evidence = np.array(found[1]).reshape(64, 64)
        np.testing.assert_allclose(evidence, expected, atol=1e-3 * np.abs(expected).max())


def test_nothing_leaves_the_machine(html, browser):
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html.read_text("utf-8"))[1]
    assert "default-src 'none'" in policy
    assert "connect-src 'none'" in policy
    context = browser.new_context()
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.partition(":")[0]))
    page.goto(html.as_uri(), timeout=SLOW)
    page.wait_for_selector("#one[data-drawn]", timeout=SLOW)
    # The file itself, and the code of the workers from its own memory.
    assert asked[0] == "file"
    assert set(asked[1:]) <= {"blob"}
    refused = "fetch('https://example.org').then(() => 'sent', error => error.message)"
    assert page.evaluate(refused) == "Failed to fetch"
    context.close()


def test_a_bundle_that_is_no_network_or_no_runtime_is_refused(tree_bundle, tmp_path, monkeypatch):
    if build.has_runtime():
        with pytest.raises(GalaxiesError, match="a tree cannot be explained; use a CNN bundle"):
            build.build_page(tree_bundle, tmp_path / "page.html")
    monkeypatch.setattr(build, "has_runtime", lambda: False)
    with pytest.raises(GalaxiesError, match=r"is missing; npm ci"):
        build.build_page(BUNDLE, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()
