"""Findings of parliament on policy documents.

Standard input: JSON, lists of {"name", "document", "kind"} by name, kind being "identity", "resource" or "trust". Standard output:
JSON, findings as texts by the same names.
"""

import json
import os
import sys

import parliament

AUDITORS = os.path.join(os.path.dirname(parliament.__file__), "community_auditors", "config_override.yaml")
parliament.override_config(AUDITORS)


def findings_of(policy):
    # Every policy that lets a role be taken "exposes credentials" to parliament's community auditors.
    community = policy["kind"] != "trust"
    analyzed = parliament.analyze_policy_string(json.dumps(policy["document"]), include_community_auditors=community)
    for finding in analyzed.findings:
        known = parliament.enhance_finding(finding)
        yield f"{policy['name']}: {known.severity} {known.issue} {known.title} {known.detail}".rstrip()


lists = json.load(sys.stdin)
json.dump({name: [text for policy in policies for text in findings_of(policy)] for name, policies in lists.items()}, sys.stdout)
