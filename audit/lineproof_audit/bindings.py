"""Short-lived producer keys that a CI job enrols with its identity token, inside what the policy allows.

The policy says which repositories may enrol (`Binding`); the notary logs the enrolment with the claims it rests on (`Enrolment`);
the fold checks the one against the other, so the notary can register no key that the policy does not reach. Tokens are never
logged: their SHA-256 is, and a hash of issuer and `jti` that makes each token good for one key.

Repositories are matched by number, because names can be given up and taken over. A fork has another number. Events in which
somebody outside speaks to the repository's own pipeline (pull and merge requests) are refused unless the policy names them.

Sources: GitHub, "OpenID Connect reference"; GitLab, "OpenID Connect (OIDC) ID tokens"; Fulcio, oid-info.md (which claims to keep).
"""
from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["MAX_SECONDS", "PROVIDERS", "Binding", "Enrolment", "Provider", "Scope", "token_id"]

MAX_SECONDS: Final = 86_400  # a job that runs longer than a day is no job; the key would outlive whoever looks at it


@dataclass(frozen=True, slots=True)
class Provider:
    """A kind of identity token.

    Attributes:
        identity: the claim that names the repository by number; every binding lists its values.
        event: the claim that says what started the job.
        outside: values of `event` with which somebody without rights on the repository may start the job.
        kept: claims that are logged. They name machines, code and runs, and nobody: key entries cannot be erased.
    """

    identity: str
    event: str
    outside: frozenset[str]
    kept: frozenset[str]


PROVIDERS: Final[Mapping[str, Provider]] = {
    "github": Provider("repository_id", "event_name", frozenset({"pull_request", "pull_request_target", "pull_request_review", "pull_request_review_comment",
                                                                  "issue_comment", "issues", "discussion", "discussion_comment", "fork", "watch"}),
                       frozenset({"repository_id", "repository_owner_id", "repository", "ref", "ref_type", "sha", "event_name", "environment",
                                  "job_workflow_ref", "job_workflow_sha", "workflow_ref", "workflow_sha", "runner_environment", "run_id", "run_attempt"})),
    "gitlab": Provider("project_id", "pipeline_source", frozenset({"merge_request_event", "external_pull_request_event"}),
                       frozenset({"project_id", "namespace_id", "project_path", "ref", "ref_type", "ref_protected", "sha", "pipeline_source", "environment",
                                  "environment_protected", "ci_config_ref_uri", "ci_config_sha", "runner_environment", "runner_id", "pipeline_id", "job_id"})),
}


@dataclass(frozen=True, slots=True)
class Scope:
    """What a producer key may say: namespace prefixes, event types (exact or ending in `*`), source prefixes; `*` alone = all."""

    namespaces: tuple[str, ...] = ()
    event_types: tuple[str, ...] = ("*",)
    sources: tuple[str, ...] = ("*",)

    def allows_namespace(self, namespace: str) -> bool:
        """Whether jobs and outputs in `namespace` may be written."""
        return _any_prefix(self.namespaces, namespace)

    def allows_type(self, event_type: str) -> bool:
        """Whether events of this type may be said."""
        return any(event_type.startswith(item[:-1]) if item.endswith("*") else event_type == item for item in self.event_types)

    def allows_source(self, source: str) -> bool:
        """Whether events from this source may be said."""
        return _any_prefix(self.sources, source)


@dataclass(frozen=True, slots=True)
class Binding:
    """What the policy allows: jobs whose token comes from `issuer` and says `claims` get a key of this tenant and scope.

    `claims` maps a claim to the values it may have (a value ending in `*` is a prefix; never of the identity). `seconds` is the
    longest life of a key.
    """

    id: str
    provider: str
    issuer: str
    tenant: str
    scope: Scope
    claims: Mapping[str, tuple[str, ...]]
    seconds: int

    def refuses(self, claims: Mapping[str, str]) -> str | None:
        """Why a job with these claims gets no key; None if it does."""
        provider = PROVIDERS[self.provider]
        if claims.get(provider.identity) not in self.claims[provider.identity]:
            return f"{provider.identity} {claims.get(provider.identity)!r} is not one of the binding's"
        event = claims.get(provider.event)
        if event is None or (event in provider.outside and event not in self.claims.get(provider.event, ())):
            return f"{provider.event} is {event!r}, which may come from outside the repository"
        for name, allowed in self.claims.items():
            value = claims.get(name)
            if value is None or not any(value.startswith(item[:-1]) if item.endswith("*") else value == item for item in allowed):
                return f"{name} is {value!r}"
        return None


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What a key entry says of the token a short-lived key was bound with.

    Attributes:
        binding: id of the policy's binding.
        issuer: the token's `iss`.
        token: SHA-256 of the token, in hex.
        token_id: `token_id(issuer, jti)`.
        claims: those of `Provider.kept` that the token had.
        possession: the key's signature on `possession.binding_statement`.
    """

    binding: str
    issuer: str
    token: str
    token_id: str
    claims: Mapping[str, str]
    possession: bytes


def token_id(issuer: str, jti: str) -> str:
    """What stands for a token's `jti` in the log: SHA-256 in hex. Issuers promise that `jti` is unique among their own tokens."""
    return hashlib.sha256(f"lineproof/jti/v1\0{len(issuer)}\0{issuer}{jti}".encode("utf-8", "surrogatepass")).hexdigest()


def _any_prefix(prefixes: tuple[str, ...], text: str) -> bool:
    return prefixes == ("*",) or any(text.startswith(prefix) for prefix in prefixes)
