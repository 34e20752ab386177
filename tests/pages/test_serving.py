"""A page answers this machine's browser, and no other site that speaks through it."""

import http.client
import re

import pytest

from tests.pages.opening import served


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    names = ("--host-name", "Galaxies.example.org")
    with served(folder, "explore", *names) as address:
        yield int(re.findall(r":(\d+)/", address)[0])


def status(port, path, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.putrequest("GET", path, skip_host=True)
        for key, value in headers.items():
            connection.putheader(key.replace("_", "-"), value.format(port=port))
        connection.endheaders()
        answer = connection.getresponse()
        said = "" if answer.status == 101 else answer.read().decode()
        return answer.status, said
    finally:
        connection.close()


def socket(port, host, origin):
    headers = {
        "Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Version": "13",
        "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec_WebSocket_Protocol": "bokeh, none",
    }  # fmt: skip
    return status(port, "/ws", Host=host, Origin=origin, **headers)[0]


OURS = [
    "127.0.0.1:{port}", "localhost:{port}", "localhost:9999", "LOCALHOST",
    "galaxies.example.org", "galaxies.example.org:8443",
]  # fmt: skip
OTHERS = [
    "evil.com", "evil.com:{port}", "localhost.evil.com:{port}", "127.0.0.1.evil.com", "",
    "[::1]:{port}", "localhost@evil.com", "evil.com#@localhost", "[::1", "192.168.0.1:{port}",
    "localhost,evil.com",
]  # fmt: skip


@pytest.mark.parametrize("host", OURS)
def test_the_page_is_for_this_machine_on_any_port_of_a_tunnel(port, host):
    assert status(port, "/", Host=host)[0] == 200
    assert socket(port, host, f"http://{host}") == 101


@pytest.mark.parametrize("host", OTHERS)
def test_another_host_name_is_refused(port, host):
    for path in ("/", "/metadata", "/autoload.js", "/static/js/bokeh.min.js"):
        code, said = status(port, path, Host=host)
        assert code in (400, 403)
        assert code == 400 or "start it with --host-name NAME" in said
    assert socket(port, host, f"http://{host}") in (400, 403)


@pytest.mark.parametrize("origin", ["http://evil.com", "http://localhost:1", "null", "evil"])
def test_another_site_is_refused_even_under_our_name(port, origin):
    assert socket(port, "localhost:{port}", origin) == 403
    assert status(port, "/metadata", Host="localhost:{port}", Origin=origin)[0] == 403


def test_a_large_request_is_refused(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.putrequest("POST", "/")
    connection.putheader("Content-Length", "2000000")
    connection.endheaders()
    try:
        assert connection.getresponse().status in (400, 413)
    except (http.client.RemoteDisconnected, ConnectionResetError):
        pass  # Tornado hangs up
    finally:
        connection.close()
