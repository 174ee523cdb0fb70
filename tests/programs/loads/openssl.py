# SPDX-License-Identifier: MIT
"""openssl: digests, ciphers, keys and certificates; and its own benchmark, in several processes."""

from loads import texts

PROGRAMS = {"openssl": "openssl"}


def run(arm):
    data = arm.write("data", texts.bytes_of(3000000))
    for name in ("sha256", "sha512", "sha3-256", "blake2b512", "md5"):
        arm.run("openssl", "dgst", f"-{name}", data)
    secret = ("-pass", "pass:word", "-pbkdf2", "-iter", "1000", "-S", "0011223344556677")
    for cipher in ("aes-256-cbc", "aes-128-ctr", "chacha20", "camellia-256-cbc"):
        arm.run("openssl", "enc", f"-{cipher}", *secret, "-in", data, "-out", cipher)
        arm.record_file(cipher)
        arm.run("openssl", "enc", "-d", f"-{cipher}", *secret, "-in", cipher, "-out", "tmp/back")
        arm.record_file("tmp/back")

    # Keys are drawn, so what is the same is that their signatures hold.
    for algorithm, options in {"rsa": ["-pkeyopt", "rsa_keygen_bits:2048"],
                               "ec": ["-pkeyopt", "ec_paramgen_curve:P-256"]}.items():
        arm.run("openssl", "genpkey", "-quiet", "-algorithm", algorithm, *options, "-out", f"tmp/{algorithm}.key",
                compare=False)
        arm.run("openssl", "dgst", "-sha256", "-sign", f"tmp/{algorithm}.key", "-out", f"tmp/{algorithm}.signed",
                data)
        arm.run("openssl", "dgst", "-sha256", "-prverify", f"tmp/{algorithm}.key", "-signature",
                f"tmp/{algorithm}.signed", data)
        arm.run("openssl", "req", "-x509", "-new", "-key", f"tmp/{algorithm}.key", "-subj", "/CN=localhost",
                "-days", "9", "-out", f"tmp/{algorithm}.pem")
        arm.run("openssl", "verify", "-CAfile", f"tmp/{algorithm}.pem", f"tmp/{algorithm}.pem")
    arm.run("openssl", "pkeyutl", "-sign", "-inkey", arm.write("ed25519.key", ED25519), "-rawin", "-in",
            arm.write("short", texts.bytes_of(1000)), "-out", "ed25519.signature")
    arm.record_file("ed25519.signature")
    arm.run("openssl", "speed", "-seconds", "1", "-bytes", "4096", "-multi", "2", "sha256", "aes-256-cbc",
            compare=False)


# RFC 8410, section 10.3: a key for examples.
ED25519 = """\
-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
"""
