"""``jtorch.hub`` against a server on this machine."""

import hashlib
import http.server
import io
import os
import threading
import urllib.error
import zipfile

import pytest

import jtorch
from jtorch import hub


@pytest.fixture
def served(monkeypatch, tmp_path):
    """A server of ``files`` by path; ``failures`` counts down the answers that are errors or cut short."""
    files, log = {}, []
    state = {"errors": 0, "cuts": 0}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            log.append(self.path)
            data = files.get(self.path.partition("?")[0])
            if state["errors"]:
                state["errors"] -= 1
                self.send_error(503)
                return
            if data is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if state["cuts"]:
                state["cuts"] -= 1
                data = data[: len(data) // 2]
            self.wfile.write(data)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(hub, "_hub_dir", None)
    monkeypatch.setattr(hub.time, "sleep", lambda seconds: None)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "TORCH_HUB", "TORCH_MODEL_ZOO"):
        monkeypatch.delenv(name, raising=False)
    yield files, log, state, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def saved(obj, **options):
    buffer = io.BytesIO()
    jtorch.save(obj, buffer, **options)
    return buffer.getvalue()


def test_download_hash_and_cache(served, tmp_path, capsys):
    files, log, _, url = served
    data = saved({"w": jtorch.arange(3.0)})
    name = f"net-{hashlib.sha256(data).hexdigest()[:8]}.pth"
    files[f"/{name}"] = data
    for _ in range(2):
        state = hub.load_state_dict_from_url(f"{url}/{name}?x=1", progress=False, check_hash=True)
        assert state["w"].tolist() == [0, 1, 2]
    assert log == [f"/{name}?x=1"]  # the second time it came from the cache
    folder = tmp_path / "home" / "hub" / "checkpoints"
    assert hub.get_dir() == str(tmp_path / "home" / "hub")
    assert os.listdir(folder) == [name]
    assert capsys.readouterr().out == f'Downloading: "{url}/{name}?x=1" to {folder / name}\n'


def test_wrong_hash(served, tmp_path):
    files, _, _, url = served
    files["/net-00000000.pth"] = data = saved(1)
    digest = hashlib.sha256(data).hexdigest()
    with pytest.raises(RuntimeError, match=f'^invalid hash value \\(expected "00000000", got "{digest}"\\)$'):
        hub.load_state_dict_from_url(f"{url}/net-00000000.pth", progress=False, check_hash=True)
    assert os.listdir(tmp_path / "home" / "hub" / "checkpoints") == []
    assert hub.load_state_dict_from_url(f"{url}/net-00000000.pth", progress=False) == 1


def test_tries_again(served):
    files, log, state, url = served
    files["/a.pth"], files["/b.pth"] = saved(1), saved(2)
    state["errors"] = 2
    assert hub.load_state_dict_from_url(f"{url}/a.pth", progress=False) == 1
    state["cuts"] = 2
    assert hub.load_state_dict_from_url(f"{url}/b.pth", progress=False) == 2
    assert log == ["/a.pth"] * 3 + ["/b.pth"] * 3
    with pytest.raises(urllib.error.HTTPError, match="404") as caught:
        hub.load_state_dict_from_url(f"{url}/missing.pth", progress=False)
    assert log.count("/missing.pth") == 1  # asking again is no use
    caught.value.close()


def test_without_a_network(served, tmp_path):
    with pytest.raises(urllib.error.URLError, match="Connection refused") as caught:
        hub.load_state_dict_from_url("http://127.0.0.1:9/net.pth", progress=False)
    target = tmp_path / "home" / "hub" / "checkpoints" / "net.pth"
    assert f"put the file at {target} and call again" in caught.value.__notes__[0]
    target.write_bytes(saved(5))
    assert hub.load_state_dict_from_url("http://127.0.0.1:9/net.pth", progress=False) == 5


def test_names_and_folders(served, tmp_path):
    files, _, _, url = served
    files["/a.pth"] = saved(1)
    for bad in ("", "/", "/..", "/%2e%2e", "/a%2fb.pth"):
        with pytest.raises(ValueError, match="does not end in the name of a file"):
            hub.load_state_dict_from_url(url + bad, progress=False)
    hub.set_dir(tmp_path / "other")
    assert hub.load_state_dict_from_url(f"{url}/a.pth", progress=False, file_name="b.pth") == 1
    assert os.listdir(tmp_path / "other" / "checkpoints") == ["b.pth"]
    hub.download_url_to_file(f"{url}/a.pth", str(tmp_path / "c.pth"), progress=False)
    assert jtorch.load(tmp_path / "c.pth") == 1


def test_progress_bar(served, capsys):
    files, _, _, url = served
    files["/a.pth"] = saved(jtorch.ones(1000))
    hub.load_state_dict_from_url(f"{url}/a.pth")
    assert "100%" in capsys.readouterr().err


def test_downloads_cannot_run_code(served, tmp_path):
    class Attack:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'hacked'}",)

    files, _, _, url = served
    files["/a.pth"] = saved(Attack())
    with pytest.raises(Exception, match="whose module posix is blocked"):
        hub.load_state_dict_from_url(f"{url}/a.pth", progress=False)
    assert not (tmp_path / "hacked").exists()


def test_file_packed_by_hand(served):
    files, _, _, url = served
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../net.pth", saved(jtorch.ones(2), _use_new_zipfile_serialization=False))
    files["/net.zip"] = buffer.getvalue()
    with pytest.warns(FutureWarning, match="Falling back to the old format < 1.6"):
        assert hub.load_state_dict_from_url(f"{url}/net.zip", progress=False).tolist() == [1, 1]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net.pth", bytes(80 << 20))
    files["/bomb.zip"] = buffer.getvalue()
    with pytest.raises(RuntimeError, match="would become larger than"):
        hub.load_state_dict_from_url(f"{url}/bomb.zip", progress=False)
