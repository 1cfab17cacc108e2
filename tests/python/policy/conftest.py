"""What the tests of `vigie.policy` share."""

from collections.abc import Callable
from pathlib import Path

import pytest

from vigie.policy import Town, load_town

SERVER = 'kind: Server\nname: here\nspec: {rtsp: [{listen: "127.0.0.1:8554", access: open}]}\n'
CAMERA = 'kind: Camera\nname: place\nspec: {streams: {main: {url: "rtsp://10.1.0.7/main"}}}\n'
AGENT = 'kind: Agent\nname: post-1\nspec: {password: "env:POST", cameras: [place]}\n'


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Town]:
    """Loads documents given as texts, written into one file `town.yaml`."""

    def load_texts(*documents: str, **environ: str) -> Town:
        file = tmp_path / "town.yaml"
        file.write_text("---\n".join(documents), encoding="utf-8")
        return load_town([file], environ)

    return load_texts
