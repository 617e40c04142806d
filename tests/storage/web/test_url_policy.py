"""The URL policy without any connection: cases B1 to B4."""

from __future__ import annotations

import ipaddress

import pytest

from storage.sniffing.media import MediaRejected
from storage.web.url_policy import UrlPolicy, check_url, resolve, system_resolver

STRICT = UrlPolicy()
HTTP = UrlPolicy(allow_http=True)
INTERNAL = UrlPolicy(allow_http=True, allowed_networks=(ipaddress.ip_network("10.1.0.0/16"),))


@pytest.mark.parametrize(
    ("url", "policy", "checked"),
    [
        ("https://example.com/a.png", STRICT, "https://example.com:443/a.png"),
        ("https://example.com", STRICT, "https://example.com:443/"),
        ("HTTPS://EXAMPLE.com:443/A?b=c d".replace(" ", "%20"), STRICT,
         "https://example.com:443/A?b=c%20d"),
        ("https://example.com./a#part", STRICT, "https://example.com:443/a"),
        ("https://exämple.com/é?ü=1", STRICT, "https://xn--exmple-cua.com:443/%C3%A9?%C3%BC=1"),
        ("https://8.8.8.8/", STRICT, "https://8.8.8.8:443/"),
        ("https://[2606:4700::1111]/", STRICT, "https://[2606:4700::1111]:443/"),
        ("https://my_bucket.example.com/", STRICT, "https://my_bucket.example.com:443/"),
        ("https://e.com/a%2Fb;c=(1)?d[]=$&e=f/g?", STRICT, "https://e.com:443/a%2Fb;c=(1)?d[]=$&e=f/g?"),
        ("http://example.com/", HTTP, "http://example.com:80/"),
        ("http://10.1.2.3/", INTERNAL, "http://10.1.2.3:80/"),
        ("http://minio/a", INTERNAL, "http://minio:80/a"),
        ("http://10.1.2.3:9000/", INTERNAL, "http://10.1.2.3:9000/"),
        ("http://minio:9000/a", INTERNAL, "http://minio:9000/a"),
    ],
)  # fmt: skip
def test_a_public_url_is_allowed(url, policy, checked):
    assert check_url(url, policy).url == checked


REJECTED = [
    # schemes and ports
    "http://example.com/", "ftp://example.com/", "file:///etc/passwd", "gs://bucket/x",
    "data:image/png;base64,AAAA", "gopher://a.b/", "//example.com/", "example.com", "", "https://",
    "https:///a", "https://example.com:22/", "https://example.com:80/", "https://example.com:99999/",
    "https://example.com:x/",
    # syntax
    "https://user@example.com/", "https://user:pass@example.com/", "https://example.com@8.8.8.8/",
    "https://exa mple.com/", "https://example.com/a b", "https://example.com\\@8.8.8.8/",
    "https://example.com/\r\nHost: a", "https://exam\tple.com/", "https://-a.com/", "https://a..com/",
    "https://" + "a." * 130 + "com/", "https://example.com/" + "a" * 5000, "https://a\ud800.com/",
    "https://" + "é" * 64 + ".com/", "https://[::1/", "https://a[b].com/", "https://example.com/\0",
    # internal names
    "https://localhost/", "https://LOCALHOST./", "https://a.localhost/", "https://redis/",
    "https://metadata.google.internal/", "https://printer.local/", "https://host.lan/",
    # internal addresses
    "https://127.0.0.1/", "https://169.254.169.254/computeMetadata/v1/", "https://10.0.0.1/",
    "https://172.16.0.1/", "https://192.168.1.1/", "https://100.64.0.1/", "https://0.0.0.0/",
    "https://224.0.0.1/", "https://239.1.1.1/", "https://240.0.0.1/", "https://255.255.255.255/",
    "https://192.0.2.1/", "https://198.18.0.1/", "https://192.88.99.1/", "https://168.63.129.16/", "https://192.0.0.192/",
    "https://[::1]/", "https://[::]/", "https://[fe80::1]/", "https://[fe80::1%25eth0]/",
    "https://[fc00::1]/", "https://[fd00:ec2::254]/", "https://[fec0::1]/", "https://[ff02::1]/",
    "https://[2001:db8::1]/", "https://[3fff::1]/",
    # wrapped in IPv6
    "https://[::ffff:127.0.0.1]/", "https://[::ffff:a9fe:a9fe]/", "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b:1::1]/", "https://[2002:7f00:1::]/", "https://[2002:a00:1::1]/",
    "https://[2001:0:7f00:1::]/", "https://[2001::f5ff:fffe]/", "https://[::127.0.0.1]/",
    "https://[::808:808]/",
    # other spellings of addresses
    "https://2130706433/", "https://0x7f000001/", "https://017700000001/", "https://127.1/",
    "https://0x7f.0.0.1/", "https://0177.0.0.1/", "https://127.0.0.1./", "https://8.8.8.08/",
    "https://134744072/", "https://\uff11\uff12\uff17.0.0.1/", "https://127。0。0。1/", "https://ⓛocalhost/",
    "https://1.2.3.4.5/", "https://a.0x1/", "https://0x/",
]  # fmt: skip


@pytest.mark.parametrize("url", REJECTED, ids=range(len(REJECTED)))
def test_any_other_url_is_rejected(url):
    with pytest.raises(MediaRejected) as caught:
        check_url(url, STRICT)

    assert (caught.value.code, caught.value.retryable) == ("url_not_allowed", False)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:6379/", "http://localhost/", "http://[::1]/", "http://169.254.169.254/"],
)
def test_allowing_http_does_not_allow_internal_addresses(url):
    with pytest.raises(MediaRejected):
        check_url(url, HTTP)


@pytest.mark.parametrize(
    "url", ["http://10.2.0.1/", "http://127.0.0.1/", "http://[::ffff:10.2.0.1]/"]
)
def test_an_allowed_network_does_not_allow_others(url):
    with pytest.raises(MediaRejected):
        check_url(url, INTERNAL)


def test_only_hosts_in_allowed_networks_may_use_any_port():
    assert resolve("minio", 9000, INTERNAL, lambda *_: ["10.1.0.9"]) == ["10.1.0.9"]

    for answers in (["8.8.8.8"], ["10.1.0.9", "8.8.8.8"], ["64:ff9b::808:808"]):
        with pytest.raises(MediaRejected, match="port 9000 is not allowed"):
            resolve("minio", 9000, INTERNAL, lambda *_, found=answers: found)
    with pytest.raises(MediaRejected, match="port 9000 is not allowed"):
        check_url("http://8.8.8.8:9000/", INTERNAL)


@pytest.mark.parametrize(
    "answers",
    [
        ["127.0.0.1"],
        ["8.8.8.8", "10.0.0.1"],
        ["::ffff:169.254.169.254"],
        ["8.8.8.8", "64:ff9b::a00:1"],
        ["fe80::1"],
    ],
)
def test_one_internal_address_rejects_the_host(answers):
    with pytest.raises(MediaRejected, match="not public") as caught:
        resolve("example.com", 443, STRICT, lambda *_: answers)

    assert caught.value.code == "url_not_allowed"


def test_public_and_allowed_addresses_are_returned():
    answers = ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"]

    assert resolve("example.com", 443, STRICT, lambda *_: answers) == answers
    assert resolve("minio", 80, INTERNAL, lambda *_: ["10.1.0.9"]) == ["10.1.0.9"]


def test_a_host_without_addresses_fails_retryably():
    with pytest.raises(MediaRejected) as caught:
        resolve("example.com", 443, STRICT, lambda *_: [])

    assert (caught.value.code, caught.value.retryable) == ("fetch_failed", True)


def test_the_system_resolver_finds_localhost_and_rejects_unknown_hosts():
    assert "127.0.0.1" in system_resolver("localhost", 80)
    with pytest.raises(MediaRejected) as caught:
        system_resolver("nothing.invalid", 80)
    assert caught.value.code == "fetch_failed"


def test_each_media_kind_has_its_own_size_limit():
    limits = [STRICT.limit_bytes(kind) // 2**20 for kind in ("image", "audio", "video")]

    assert limits == [20, 50, 200]
