"""Credentials: published prefixes and lengths with random bodies, and their checksums where there are some."""

from __future__ import annotations

import base64
import json
import uuid
import zlib
from collections.abc import Mapping

from . import checks
from .kind import BASE62, BASE64, BASE64URL, DIGITS, HEX, LOWER, UPPER, Draw, Judge, Kind, Source, one_of

_BASE32 = UPPER + "234567"
_HOSTS = ["db.internal.acme.io", "10.12.3.4", "mq-prod.acme.net", "redis.prod.svc.cluster.local", "pg-01.corp.acme.io"]
_PUBLISHED = "the published layout"


def _github(source: Source) -> str:
    if source.number(0, 4) == 0:
        return f"github_pat_{source.text(BASE62, 22)}_{source.text(BASE62, 59)}"
    body = source.text(BASE62, 30)
    return source.choice(["ghp_", "gho_", "ghu_", "ghs_", "ghr_"]) + body + checks.crc32_base62(body)


def _npm(source: Source) -> str:
    body = source.text(BASE62, 30)
    return "npm_" + body + checks.crc32_base62(body)


def _slack(source: Source) -> str:
    team, user = source.nonzero(12), source.nonzero(12)
    return source.choice([
        f"xoxb-{team}-{user}-{source.text(BASE62, 24)}",
        f"xoxp-{team}-{user}-{source.nonzero(13)}-{source.text(HEX, 32)}",
        f"xapp-1-A{source.text(UPPER + DIGITS, 10)}-{source.nonzero(13)}-{source.text(HEX, 64)}",
        "https://hooks.slack.com/services/"
        f"T{source.text(UPPER + DIGITS, 8)}/B{source.text(UPPER + DIGITS, 10)}/{source.text(BASE62, 24)}",
    ])


def _google(source: Source) -> str:
    return source.choice([
        "AIza" + source.text(BASE64URL, 35), "GOCSPX-" + source.text(BASE64URL, 28), "ya29.a0" + source.text(BASE64URL, 160)])


def _azure(source: Source) -> str:
    key = base64.b64encode(source.random.randbytes(64)).decode()
    return source.choice([
        f"DefaultEndpointsProtocol=https;AccountName=acmeprod;AccountKey={key};EndpointSuffix=core.windows.net",
        f"{source.text(BASE62, 3)}8Q~{source.text(BASE62 + '_-.~', 33)}{source.text(BASE62, 1)}",
        # `se`, when it ends, is required unless a stored policy (`si`) says it.
        "https://acmeprod.blob.core.windows.net/backups?sv=2022-11-02&se=2026-01-31T12%3A00%3A00Z&sr=c&sp=rl&sig="
        + base64.b64encode(source.random.randbytes(32)).decode().replace("+", "%2B").replace("/", "%2F").replace("=", "%3D"),
    ])


def _openai(source: Source) -> str:
    return source.choice([
        f"sk-{source.text(BASE62, 20)}T3BlbkFJ{source.text(BASE62, 20)}",
        f"sk-proj-{source.text(BASE64URL, 74)}T3BlbkFJ{source.text(BASE64URL, 74)}"])


def _atlassian(source: Source) -> str:
    body = "ATATT3xFfGF0" + source.text(BASE64URL, 171)
    return f"{body}={zlib.crc32(body.encode()):08X}"


def _pypi(source: Source) -> str:
    # A macaroon, version 2, whose location is the host of the index.
    identifier = json.dumps({"version": 1, "permissions": "user"}).encode()
    token = b"\x02\x01\x08pypi\x2eorg\x02" + bytes([36]) + str(uuid.UUID(int=source.random.getrandbits(128), version=4)).encode()
    token += b"\0" + b"\x02" + bytes([len(identifier)]) + identifier + b"\0\0\x06 " + source.random.randbytes(32)
    return "pypi-" + base64.urlsafe_b64encode(token).decode().rstrip("=")


def _pem(source: Source) -> str:
    label, start = source.choice([("RSA PRIVATE KEY", "MIIEpAIBAAKCAQEA"), ("PRIVATE KEY", "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC"),
                                  ("EC PRIVATE KEY", "MHcCAQEEI"), ("OPENSSH PRIVATE KEY", "b3BlbnNzaC1rZXktdjEAAAAA")])
    body = start + source.text(BASE64, source.number(6, 12) * 64 - len(start))
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----"])


def _segment(data: Mapping[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(data, separators=(",", ":")).encode()).decode().rstrip("=")


def make_jwt(source: Source) -> str:
    head = {"alg": source.choice(["HS256", "RS256", "ES256"]), "typ": "JWT"}
    claims = {"sub": source.text(HEX, 12), "iat": 1_735_000_000 + source.number(0, 9_999_999), "exp": 1_766_000_000}
    return f"{_segment(head)}.{_segment(claims)}.{source.text(BASE64URL, 43)}"


def password(source: Source) -> str:
    words = ["Summer", "Falcon", "winter", "Sunrise", "orange", "Liverpool", "Schmetter", "Copper", "Dragon", "matrix"]
    return source.choice([
        source.text(BASE62 + "!%+-_", source.number(12, 20)),
        f"{source.choice(words)}{source.digits(4)}!",
        f"{source.choice(words)}-{source.choice(words)}-{source.digits(2)}",
        source.text(BASE62, source.number(10, 16)),
    ])


def _user(source: Source) -> str:
    return source.choice(["svc_orders", "app", "admin", "reporting", "jenkins", "billing"])


def _basic(source: Source) -> str:
    return "Basic " + base64.b64encode(f"{_user(source)}:{password(source)}".encode()).decode()


def _url(source: Source) -> str:
    scheme = source.choice(["postgres", "mysql", "amqp", "mongodb", "https", "redis"])
    word = source.text(BASE62, source.number(10, 18))
    return f"{scheme}://{_user(source)}:{word}@{source.choice(_HOSTS)}/{source.choice(['orders', 'prod', 'main'])}"


def _connection(source: Source) -> str:
    word, host, user = source.text(BASE62, source.number(10, 18)), source.choice(_HOSTS), _user(source)
    return source.choice([
        f"Server={host},1433;Database=orders;User Id={user};Password={word};Encrypt=true",
        f"host={host} port=5432 dbname=prod user={user} password={word}",
        f"Data Source={host};Initial Catalog=main;uid={user};pwd={word}",
    ])


def _otpauth(source: Source) -> str:
    secret = source.text(_BASE32, 32)
    return f"otpauth://totp/Acme:{_user(source)}?secret={secret}&issuer=Acme"


def _key_id(source: Source) -> str:
    return source.choice(["AKIA", "ASIA", "ABIA", "ACCA"]) + source.text(_BASE32, 16)


_AUTH = ["Authorization", "authorization", "Proxy-Authorization"]
_HEADERS = ("json_key", "header", "log", "bare")
_TOKEN = ("password", "bearer_token")


def _sum_holds(value: str) -> bool:
    """The last six characters are the checksum of what stands between them and the prefix."""
    body = value.split("_", 1)[1]
    return value.startswith("github_pat_") or checks.crc32_base62(body[:-6]) == body[-6:]


def _kind(id: str, names: list[str], draw: Draw, judge: Judge | None = None, **more) -> Kind:
    by = "CRC-32 in base 62" if judge else _PUBLISHED
    return Kind(id, names, "secret", draw, judge, by, also=more.pop("also", _TOKEN), **more)


KINDS = [
    _kind("aws_access_key_id", ["aws_access_key_id", "AWS_ACCESS_KEY_ID", "accessKeyId", "access_key"], _key_id),
    _kind("aws_secret_access_key", ["aws_secret_access_key", "AWS_SECRET_ACCESS_KEY", "secretAccessKey", "aws_secret"],
          lambda s: s.text(BASE64, 40), beside=lambda s: {"aws_access_key_id": _key_id(s)}),
    _kind("github_token", ["github_token", "GITHUB_TOKEN", "gh_token", "token"], _github, _sum_holds, fixed=11),
    _kind("gitlab_token", ["gitlab_token", "GITLAB_TOKEN", "PRIVATE-TOKEN", "ci_token"],
          lambda s: s.choice(["glpat-", "gldt-", "glrt-"]) + s.text(BASE64URL, 20)),
    _kind("slack_token", ["slack_token", "SLACK_BOT_TOKEN", "slack_webhook", "webhook_url"], _slack),
    _kind("stripe_key", ["stripe_key", "STRIPE_SECRET_KEY", "stripe_api_key", "apiKey"],
          one_of(lambda s: s.choice(["sk_live_", "rk_live_"]) + s.text(BASE62, s.choice([24, 99])),
                 lambda s: "whsec_" + s.text(BASE62, 32))),
    _kind("google_api_key", ["google_api_key", "GOOGLE_API_KEY", "maps_key", "client_secret"], _google),
    _kind("azure_secret", ["azure_storage", "AZURE_CLIENT_SECRET", "storage_connection", "sas_url"], _azure,
          also=(*_TOKEN, "connection_string")),
    _kind("openai_key", ["openai_api_key", "OPENAI_API_KEY", "llm_key"], _openai),
    _kind("anthropic_key", ["anthropic_api_key", "ANTHROPIC_API_KEY", "llm_key"],
          lambda s: f"sk-ant-api03-{s.text(BASE64URL, 93)}AA"),
    _kind("npm_token", ["npm_token", "NPM_TOKEN", "_authToken"], _npm, _sum_holds, fixed=4),
    _kind("pypi_token", ["pypi_token", "PYPI_API_TOKEN", "twine_password"], _pypi),
    _kind("sendgrid_key", ["sendgrid_api_key", "SENDGRID_API_KEY", "mail_key"],
          lambda s: f"SG.{s.text(BASE64URL, 22)}.{s.text(BASE64URL, 43)}"),
    _kind("mailgun_key", ["mailgun_api_key", "MAILGUN_API_KEY", "mailgun_key"],
          one_of(lambda s: "key-" + s.text(HEX, 32), lambda s: f"{s.text(HEX, 32)}-{s.text(HEX, 8)}-{s.text(HEX, 8)}"),
          needs_name=True),
    _kind("mailchimp_key", ["mailchimp_api_key", "MAILCHIMP_API_KEY", "mailchimp"],
          lambda s: f"{s.text(HEX, 32)}-us{s.number(1, 21)}"),
    _kind("twilio_key", ["twilio_api_key", "TWILIO_API_KEY", "twilio_sid"], lambda s: "SK" + s.text(HEX, 32)),
    _kind("atlassian_token", ["atlassian_token", "JIRA_API_TOKEN", "confluence_token"], _atlassian),
    _kind("vault_token", ["vault_token", "VAULT_TOKEN", "X-Vault-Token"],
          one_of(lambda s: "hvs." + s.text(BASE64URL, 95), lambda s: "hvb." + s.text(BASE64URL, 140))),
    _kind("databricks_token", ["databricks_token", "DATABRICKS_TOKEN", "dbx_token"], lambda s: "dapi" + s.text(HEX, 32)),
    _kind("doppler_token", ["doppler_token", "DOPPLER_TOKEN", "doppler"], lambda s: "dp.pt." + s.text(BASE62, 43)),
    _kind("newrelic_key", ["newrelic_key", "NEW_RELIC_LICENSE_KEY", "new_relic_api_key"],
          one_of(lambda s: "NRAK-" + s.text(UPPER + DIGITS, 27), lambda s: s.text(HEX, 36) + "NRAL")),
    _kind("datadog_key", ["datadog_api_key", "DD_API_KEY", "dd_app_key"], lambda s: s.text(HEX, s.choice([32, 32, 40])), needs_name=True),
    _kind("private_key", ["private_key", "ssh_key", "tls_key", "privateKey", "signing_key"], _pem,
          carriers=("json_key", "json_nested", "json_list", "ndjson", "form", "bare")),
    _kind("jwt", ["jwt", "access_token", "id_token", "session_token", "idToken"], make_jwt),
    _kind("basic_auth", _AUTH, _basic, carriers=_HEADERS),
    _kind("bearer_token", _AUTH, lambda s: "Bearer " + s.text(BASE62, s.number(32, 48)), carriers=_HEADERS),
    _kind("url_credentials", ["database_url", "DATABASE_URL", "broker_url", "dsn"], _url,
          also=(*_TOKEN, "connection_string")),
    _kind("connection_string", ["connection_string", "ConnectionString", "db_dsn", "connectionString"], _connection,
          also=(*_TOKEN, "url_credentials")),
    _kind("session_cookie", ["JSESSIONID", "PHPSESSID", "connect.sid", "sessionid", "ASP.NET_SessionId", "laravel_session"],
          lambda s: s.text(LOWER + DIGITS, 32), carriers=("cookie", "set_cookie")),
    _kind("otpauth", ["otpauth_url", "totp_uri", "provisioning_uri"], _otpauth),
    _kind("password", ["password", "passwd", "user_password", "passwort", "contraseña", "mot_de_passe", "db_password",
                       "client_secret"], password, also=()),
]
