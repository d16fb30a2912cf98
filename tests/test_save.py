from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import onnx
import pytest
from helpers import SAMPLES, assert_close, gemm, matmul, names, random, run, save
from onnx import helper

from fc2conv_cli import convert, errors
from fc2conv_cli import save as saving
from fc2conv_cli.publishing import cannot_be_written


def model_file(folder: Path) -> Path:
    return save(matmul(["N", 4], random((4, 3)), random((3,))), folder / "model.onnx")


def external_file(folder: Path, rows: int = 64) -> Path:
    path = folder / "model.onnx"
    proto = matmul(["N", rows], random((rows, 32)), random((32,)))
    onnx.save(proto, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    return path


def test_the_default_output_is_beside_the_input(tmp_path: Path) -> None:
    report = convert(model_file(tmp_path))
    assert report.output == tmp_path / "model.conv.onnx"
    assert names(tmp_path) == ["model.conv.onnx", "model.onnx"]


def test_external_data_stays_external(tmp_path: Path) -> None:
    path = external_file(tmp_path)
    out = tmp_path / "out.onnx"
    convert(path, out)
    assert names(tmp_path) == ["model.onnx", "out.onnx", "out.onnx.data", "weights.bin"]
    x = {"x": random((3, 64))}
    assert_close(run(out, x), run(path, x))
    assert out.stat().st_size < 2048


def test_overwriting_swaps_the_data_file_and_names_the_old_one(tmp_path: Path) -> None:
    path, out = external_file(tmp_path), tmp_path / "out.onnx"
    first = convert(path, out)
    report = convert(path, out, force=True)
    assert names(tmp_path) == ["model.onnx", "out.onnx", "out.onnx.1.data", "out.onnx.data", "weights.bin"]
    note = f"{out}.data is not read by out.onnx any more; remove it if nothing else reads it"
    assert note in report.notes
    assert not [said for said in first.notes if "any more" in said]
    (tmp_path / "out.onnx.data").unlink()
    x = {"x": random((3, 64))}
    assert_close(run(out, x), run(path, x))


def test_a_data_file_of_somebody_else_is_not_overwritten(tmp_path: Path) -> None:
    path = external_file(tmp_path)
    (tmp_path / "out.onnx.data").write_text("mine")
    convert(path, tmp_path / "out.onnx")
    assert (tmp_path / "out.onnx.data").read_text() == "mine"


def test_a_model_too_large_for_a_protobuf_gets_a_data_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saving, "_PROTOBUF_LIMIT", saving._PROTOBUF_MARGIN + 4096)
    path = save(matmul(["N", 64], random((64, 32))), tmp_path / "model.onnx")
    convert(path, tmp_path / "out.onnx")
    assert (tmp_path / "out.onnx.data").stat().st_size == 64 * 32 * 4
    x = {"x": random((3, 64))}
    assert_close(run(tmp_path / "out.onnx", x), run(path, x))


def test_targets_that_are_refused(tmp_path: Path) -> None:
    path = model_file(tmp_path)
    link = tmp_path / "link.onnx"
    link.symlink_to(path)
    for target in (path, link, tmp_path / "." / "model.onnx"):
        with pytest.raises(errors.OutputExistsError, match="input itself"):
            convert(path, target, force=True)
    (tmp_path / "there.onnx").write_text("mine")
    with pytest.raises(errors.OutputExistsError, match="already exists"):
        convert(path, tmp_path / "there.onnx")
    assert (tmp_path / "there.onnx").read_text() == "mine"
    with pytest.raises(errors.OutputFileError, match="folder"):
        convert(path, tmp_path, force=True)
    with pytest.raises(errors.OutputFileError, match="does not exist"):
        convert(path, tmp_path / "no" / "out.onnx")


def test_the_data_of_the_input_is_no_target(tmp_path: Path) -> None:
    path = external_file(tmp_path)
    before = (tmp_path / "weights.bin").read_bytes()
    with pytest.raises(errors.OutputExistsError, match="input itself"):
        convert(path, tmp_path / "weights.bin", force=True)
    assert (tmp_path / "weights.bin").read_bytes() == before


def test_data_that_the_input_reads_is_not_taken_away(tmp_path: Path) -> None:
    convert(external_file(tmp_path), tmp_path / "out.onnx")
    copy = tmp_path / "copy.onnx"
    copy.write_bytes((tmp_path / "out.onnx").read_bytes())  # reads out.onnx.data too
    convert(copy, tmp_path / "out.onnx", force=True)
    x = {"x": random((3, 64))}
    assert_close(run(copy, x), run(tmp_path / "model.onnx", x))
    assert_close(run(tmp_path / "out.onnx", x), run(tmp_path / "model.onnx", x))


def test_special_files_are_refused(tmp_path: Path) -> None:
    path = model_file(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(errors.OutputFileError, match="pipe"):
        convert(path, tmp_path / "pipe", force=True)
    with pytest.raises(errors.ModelNotFoundError, match="pipe"):
        convert(tmp_path / "pipe")
    with pytest.raises(errors.OutputFileError, match="too long"):
        convert(path, tmp_path / ("n" * 300))


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link, real = tmp_path / "link.onnx", tmp_path / "real" / "out.onnx"
    link.symlink_to(real)
    assert convert(model_file(tmp_path), link).output == real.resolve()
    assert link.is_symlink()
    with pytest.raises(errors.OutputExistsError):
        convert(tmp_path / "model.onnx", link)


def test_a_failure_while_writing_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(saving, "write_model", full)
    with pytest.raises(errors.OutputFileError, match="No space left"):
        convert(model_file(tmp_path))
    assert names(tmp_path) == ["model.onnx"]


LIMITED = (
    "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
    "resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0}));"
    "sys.argv = ['fc2conv', 'convert', 'model.onnx', '--no-verify'];"
    "from fc2conv_cli.cli import main; main()"
)


def large_file(folder: Path, *, external: bool, transposed: bool) -> Path:
    """40 MB of weights: enough to be read without protobuf."""
    weight = random((2560, 4096))
    proto = matmul(["N", 2560], weight) if transposed else gemm(["N", 4096], weight, transB=1)
    path = folder / "model.onnx"
    onnx.save(proto, path, save_as_external_data=external, location="weights.bin", size_threshold=0)
    return path


@pytest.mark.parametrize(
    ("external", "transposed", "limit"), [(False, True, 1000), (False, False, 2**22), (True, True, 2**25)]
)
def test_a_file_size_limit_leaves_nothing(tmp_path: Path, external: bool, transposed: bool, limit: int) -> None:
    large_file(tmp_path, external=external, transposed=transposed)
    before = names(tmp_path)
    command = [sys.executable, "-c", LIMITED.format(limit)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "cannot be written (File too large)" in " ".join(done.stderr.split())
    assert names(tmp_path) == before


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 48 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("external", [False, True])
def test_a_full_disk_leaves_nothing(tmp_path: Path, small_disk: Path, external: bool, transposed: bool) -> None:
    large_file(tmp_path, external=external, transposed=transposed)
    (small_disk / "mine").write_bytes(bytes(2**24))
    with pytest.raises(errors.OutputFileError, match="No space left on device") as caught:
        convert(tmp_path / "model.onnx", small_disk / "out.onnx", verify=False)
    assert "free space" in caught.value.hint
    assert names(small_disk) == ["mine"]
    (small_disk / "mine").unlink()
    convert(tmp_path / "model.onnx", small_disk / "out.onnx", verify=False)
    onnx.checker.check_model(str(small_disk / "out.onnx"))


def test_an_interrupt_between_the_two_files_leaves_neither(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, replace = external_file(tmp_path), Path.replace

    def interrupted(self: Path, target: Path) -> Path:
        if target.name == "out.onnx":
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        convert(path, tmp_path / "out.onnx", force=True)
    assert names(tmp_path) == ["model.onnx", "weights.bin"]


def test_an_interrupt_while_it_cleans_up_leaves_nothing_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rmtree, calls = shutil.rmtree, []

    def interrupted(path: Path, **options: Any) -> None:
        calls.append(path)
        if len(calls) == 1:
            raise KeyboardInterrupt
        rmtree(path, **options)

    monkeypatch.setattr(shutil, "rmtree", interrupted)
    with pytest.raises(KeyboardInterrupt):
        convert(external_file(tmp_path), tmp_path / "out.onnx")
    assert names(tmp_path) == ["model.onnx", "out.onnx", "out.onnx.data", "weights.bin"]


def meanwhile(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let something happen between the choice of the names and the last moment."""
    publish = saving.Draft.publish

    def late(self: saving.Draft, *args: Any, **options: Any) -> list[Path]:
        act()
        return publish(self, *args, **options)

    monkeypatch.setattr(saving.Draft, "publish", late)


@pytest.mark.parametrize(("name", "force"), [("out.onnx", False), ("out.onnx.data", False), ("out.onnx.data", True)])
@pytest.mark.parametrize("links", [True, False])
def test_what_appears_meanwhile_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, force: bool, links: bool
) -> None:
    path, taken = external_file(tmp_path), tmp_path / name
    meanwhile(monkeypatch, lambda: taken.write_text("somebody else's"))
    if not links:
        monkeypatch.setattr("os.link", no_links)
    with pytest.raises(errors.OutputExistsError, match=f"{name}: appeared meanwhile"):
        convert(path, tmp_path / "out.onnx", force=force)
    assert names(tmp_path) == ["model.onnx", name, "weights.bin"]
    assert taken.read_text() == "somebody else's"


def no_links(*args: object) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


def test_a_file_system_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.link", no_links)
    convert(external_file(tmp_path), tmp_path / "out.onnx")
    assert names(tmp_path) == ["model.onnx", "out.onnx", "out.onnx.data", "weights.bin"]


@pytest.mark.parametrize("name", ["out.onnx.d/../../victim.data", "../victim.data", "out.onnx.gone.data"])
def test_only_files_beside_a_model_are_its_own(tmp_path: Path, name: str) -> None:
    out = tmp_path / "sub" / "out.onnx"
    (tmp_path / "sub" / "out.onnx.d").mkdir(parents=True)
    (tmp_path / "victim.data").write_bytes(bytes(4096))
    (tmp_path / "sub" / "out.onnx.other.data").write_bytes(b"")  # carries its name, and is not read
    proto = matmul(["N", 4], random((4, 3)))
    weight = proto.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    weight.external_data.add(key="location", value=name)
    report = convert(model_file(tmp_path), save(proto, out), force=True)
    assert not [note for note in report.notes if "any more" in note]
    assert (tmp_path / "victim.data").stat().st_size == 4096


@pytest.mark.parametrize(
    ("number", "hint"), [(errno.ENOSPC, "free space"), (errno.EFBIG, "ulimit"), (errno.ENAMETOOLONG, "shorter")]
)
def test_what_to_do_depends_on_what_the_system_said(tmp_path: Path, number: int, hint: str) -> None:
    error = cannot_be_written(tmp_path, OSError(number, os.strerror(number)))
    assert hint in error.hint
    assert os.strerror(number) in error.message


def test_a_data_file_with_too_long_a_name(tmp_path: Path) -> None:
    with pytest.raises(errors.OutputFileError, match="too long") as caught:
        convert(external_file(tmp_path), tmp_path / ("n" * 247 + ".onnx"))
    assert "shorter" in caught.value.hint


def wait_until(found: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    while not found() and process.poll() is None:
        time.sleep(0.001)


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_kill_while_weights_are_written(tmp_path: Path, kind: signal.Signals) -> None:
    path = large_file(tmp_path, external=True, transposed=True)
    before, original = names(tmp_path), {p: p.read_bytes() for p in tmp_path.iterdir()}
    command = [sys.executable, "-m", "fc2conv_cli", "convert", str(path), "-q", "--no-verify"]
    for delay, share in ((0, False), (0.02, True), (0.05, False)):
        process = subprocess.Popen(command + ["--share-weights"] * share, stderr=subprocess.DEVNULL)
        wait_until(lambda: any(tmp_path.glob(".fc2conv-*/*")), process)
        time.sleep(delay)
        process.send_signal(kind)
        process.wait()
        left = set(names(tmp_path)) - set(before)
        out = tmp_path / "model.conv.onnx"
        if out.exists():  # then it is whole
            onnx.checker.check_model(str(out))
            out.unlink()
        (tmp_path / "model.conv.onnx.data").unlink(missing_ok=True)
        hidden = {name for name in left if name.startswith(".fc2conv-")}
        whole = {"model.conv.onnx", "model.conv.onnx.data"}
        between = [{"model.conv.onnx.data"}] * (kind is signal.SIGKILL)
        assert left - hidden in (set(), whole, *between)
        assert not hidden or kind is signal.SIGKILL
        for name in hidden:
            shutil.rmtree(tmp_path / name, ignore_errors=True)
            (tmp_path / name).unlink(missing_ok=True)
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == original


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_kill_at_any_moment_leaves_no_half_a_file(tmp_path: Path, kind: signal.Signals) -> None:
    source = (SAMPLES / "vgg_head.onnx").resolve()
    out = tmp_path / "out.onnx"
    command = [sys.executable, "-m", "fc2conv_cli", "convert", str(source), "-o", str(out), "-q"]
    for delay in (0.5, 0.8, 1.0, 1.1, 1.2):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        time.sleep(delay)
        process.send_signal(kind)
        process.wait()
        if out.exists():  # then it is whole
            onnx.checker.check_model(str(out))
            out.unlink()
        if kind is not signal.SIGKILL:
            assert names(tmp_path) == []


def test_what_the_conversion_does_not_touch_survives(tmp_path: Path) -> None:
    proto = matmul(["batch-size", 4], random((4, 3)), random((3,)), opset=15, ir_version=8)
    proto.graph.node.insert(0, helper.make_node("Trilu", ["x"], ["r"], doc_string="a node"))  # unnamed
    proto.graph.node[1].input[0] = "r"
    proto.graph.node.append(helper.make_node("Neg", ["y"], ["last"], name="neg"))
    proto.graph.output.append(helper.make_tensor_value_info("last", 1, ["batch-size", 3]))
    proto.graph.doc_string, proto.doc_string = "a graph", "a model"
    proto.producer_name, proto.producer_version, proto.domain, proto.model_version = "me", "1", "my.domain", 5
    helper.set_model_props(proto, {"task": "test"})
    path = save(proto, tmp_path / "model.onnx")
    original = path.read_bytes()
    report = convert(path)
    assert path.read_bytes() == original
    assert report.output is not None
    after = onnx.load(report.output)
    assert after.graph.input == proto.graph.input
    assert after.graph.output == proto.graph.output
    assert (after.ir_version, after.opset_import) == (proto.ir_version, proto.opset_import)
    assert after.metadata_props == proto.metadata_props
    for field in ("doc_string", "producer_name", "producer_version", "domain", "model_version"):
        assert getattr(after, field) == getattr(proto, field)
    assert after.graph.doc_string == "a graph"
    assert after.graph.node[0] == proto.graph.node[0]
    assert after.graph.node[-1] == proto.graph.node[-1]
    assert [n.name for n in after.graph.node if n.op_type == "Conv"] == ["fc"]
