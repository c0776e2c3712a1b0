#!/usr/bin/env python3
"""The Zabbix media type: config/zabbix/media_correlated.yaml, written from config/zabbix/correlated.js.

    zabbix_media.py           writes the YAML file
    zabbix_media.py --check   only says whether it is as it would be written; exit code 1 if not
"""
import pathlib
import re
import sys

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "config" / "zabbix"
SCRIPT = FOLDER / "correlated.js"
MEDIA = FOLDER / "media_correlated.yaml"

# Parameters of the webhook and what Zabbix puts into them. The names, apart from gw_*, are those of the body.
# No {?expression} macros: with a business service they crash 6.0. Macros that a version does not know arrive
# as they are written here.
PARAMETERS = {
    "gw_url": "{$CORRELATED.URL}", "gw_token": "{$CORRELATED.TOKEN}", "gw_proxy": "",
    "instance": "{$CORRELATED.INSTANCE}", "zabbix_url": "{$ZABBIX.URL}",
    "sendto": "{ALERT.SENDTO}", "subject": "{ALERT.SUBJECT}", "message": "{ALERT.MESSAGE}",
    "action_id": "{ACTION.ID}", "action_name": "{ACTION.NAME}",
    "event_source": "{EVENT.SOURCE}", "event_object": "{EVENT.OBJECT}", "event_id": "{EVENT.ID}",
    "event_value": "{EVENT.VALUE}", "event_status": "{EVENT.STATUS}", "event_name": "{EVENT.NAME}",
    "event_nseverity": "{EVENT.NSEVERITY}", "event_severity": "{EVENT.SEVERITY}",
    "event_opdata": "{EVENT.OPDATA}", "event_tags_json": "{EVENT.TAGSJSON}",
    "event_date": "{EVENT.DATE}", "event_time": "{EVENT.TIME}", "event_timestamp": "{EVENT.TIMESTAMP}",
    "event_age": "{EVENT.AGE}", "event_duration": "{EVENT.DURATION}", "event_ack_status": "{EVENT.ACK.STATUS}",
    "recovery_id": "{EVENT.RECOVERY.ID}", "recovery_value": "{EVENT.RECOVERY.VALUE}",
    "recovery_status": "{EVENT.RECOVERY.STATUS}", "recovery_name": "{EVENT.RECOVERY.NAME}",
    "recovery_date": "{EVENT.RECOVERY.DATE}", "recovery_time": "{EVENT.RECOVERY.TIME}",
    "recovery_timestamp": "{EVENT.RECOVERY.TIMESTAMP}",
    "update_status": "{EVENT.UPDATE.STATUS}", "update_action": "{EVENT.UPDATE.ACTION}",
    "update_action_json": "{EVENT.UPDATE.ACTIONJSON}", "update_message": "{EVENT.UPDATE.MESSAGE}",
    "update_date": "{EVENT.UPDATE.DATE}", "update_time": "{EVENT.UPDATE.TIME}",
    "update_timestamp": "{EVENT.UPDATE.TIMESTAMP}", "update_user": "{USER.FULLNAME}",
    "cause_event_id": "{EVENT.CAUSE.ID}", "cause_event_name": "{EVENT.CAUSE.NAME}",
    "trigger_id": "{TRIGGER.ID}", "trigger_name": "{TRIGGER.NAME}", "trigger_description": "{TRIGGER.DESCRIPTION}",
    "trigger_expression": "{TRIGGER.EXPRESSION}", "trigger_status": "{TRIGGER.STATUS}", "trigger_url": "{TRIGGER.URL}",
    "trigger_template": "{TRIGGER.TEMPLATE.NAME}", "trigger_host_groups": "{TRIGGER.HOSTGROUP.NAME}",
    "host_id": "{HOST.ID}", "host_host": "{HOST.HOST}", "host_name": "{HOST.NAME}", "host_conn": "{HOST.CONN}",
    "host_ip": "{HOST.IP}", "host_dns": "{HOST.DNS}", "host_port": "{HOST.PORT}",
    "host_description": "{HOST.DESCRIPTION}",
    "host2_id": "{HOST.ID2}", "host2_host": "{HOST.HOST2}", "host2_name": "{HOST.NAME2}",
    "item_id": "{ITEM.ID}", "item_name": "{ITEM.NAME}", "item_key": "{ITEM.KEY}",
    "item_value": "{ITEM.VALUE}", "item_lastvalue": "{ITEM.LASTVALUE}",
    "inventory_name": "{INVENTORY.NAME}", "inventory_alias": "{INVENTORY.ALIAS}",
    "inventory_tag": "{INVENTORY.ASSET.TAG}", "inventory_serial": "{INVENTORY.SERIALNO.A}",
    "inventory_type": "{INVENTORY.TYPE}", "inventory_os": "{INVENTORY.OS}",
    "inventory_location": "{INVENTORY.LOCATION}", "inventory_site_city": "{INVENTORY.SITE.CITY}",
    "inventory_contact": "{INVENTORY.CONTACT}",
    "service_id": "{SERVICE.ID}", "service_name": "{SERVICE.NAME}", "service_rootcause": "{SERVICE.ROOTCAUSE}",
}

# All ten kinds: Zabbix drops a notification for which the media type has no template.
TEMPLATES = (
    ("TRIGGERS", "PROBLEM", "Problem: {EVENT.NAME}", "{EVENT.OPDATA}"),
    ("TRIGGERS", "RECOVERY", "Resolved: {EVENT.NAME}", "{EVENT.OPDATA}"),
    ("TRIGGERS", "UPDATE", "Updated: {EVENT.NAME}", "{USER.FULLNAME} {EVENT.UPDATE.ACTION}: {EVENT.UPDATE.MESSAGE}"),
    ("DISCOVERY", "PROBLEM", "Discovery: {DISCOVERY.DEVICE.IPADDRESS} {DISCOVERY.DEVICE.STATUS}",
     "{DISCOVERY.RULE.NAME}"),
    ("AUTOREGISTRATION", "PROBLEM", "Autoregistration: {HOST.HOST}", "{HOST.METADATA}"),
    ("INTERNAL", "PROBLEM", "Internal: {EVENT.NAME}", "{ITEM.STATE.ERROR}"),
    ("INTERNAL", "RECOVERY", "Internal, resolved: {EVENT.NAME}", "{ITEM.STATE}"),
    ("SERVICE", "PROBLEM", "Service problem: {EVENT.NAME}", "{SERVICE.ROOTCAUSE}"),
    ("SERVICE", "RECOVERY", "Service resolved: {EVENT.NAME}", "{SERVICE.NAME}"),
    ("SERVICE", "UPDATE", "Service updated: {EVENT.NAME}", "{USER.FULLNAME} {EVENT.UPDATE.ACTION}"),
)

DESCRIPTION = """\
Problems, recoveries and updates to correlated.

Global macros:
{$CORRELATED.URL}: the intake of the source, as http://127.0.0.1:7580/v1/events/zabbix
{$CORRELATED.TOKEN}: its token, as secret text; leave it out if there is none
{$CORRELATED.INSTANCE}: a name for this Zabbix; event ids are unique only within one
{$ZABBIX.URL}: address of the frontend, for links

The number of the incident comes back as the event tag __correlated and as an entry of the event menu.
"""


def fields():
    """Names in the body of a notification whose tags could be read."""
    payload = {name for name in PARAMETERS if not name.startswith("gw_") and name != "event_tags_json"}
    return payload | {"schema", "tags"}


def document():
    """The text of the YAML file."""
    def quoted(text):
        return "'" + text.replace("'", "''") + "'"

    def block(text, indent):
        return "".join(f"{' ' * indent}{line}\n" if line else "\n" for line in text.rstrip("\n").split("\n"))

    out = ("# Written by tests/real/zabbix_media.py from correlated.js; change it there.\n"
           "zabbix_export:\n  version: '6.0'\n  media_types:\n    -\n"
           "      name: correlated\n      type: WEBHOOK\n      parameters:\n")
    for name, macro in sorted(PARAMETERS.items()):
        out += f"        -\n          name: {name}\n"
        out += f"          value: {quoted(macro)}\n" if macro else ""
    out += "      max_sessions: '2'\n      attempts: '100'\n      attempt_interval: 1m\n      timeout: 25s\n"
    out += "      script: |\n" + block(SCRIPT.read_text(), 8)
    out += ("      process_tags: 'YES'\n      show_event_menu: 'YES'\n"
            "      event_menu_name: 'Incident {EVENT.TAGS.__correlated}'\n"
            "      event_menu_url: '{EVENT.TAGS.__correlated_url}'\n")
    out += "      description: |\n" + block(DESCRIPTION, 8) + "      message_templates:\n"
    for source, mode, subject, message in TEMPLATES:
        out += (f"        -\n          event_source: {source}\n          operation_mode: {mode}\n"
                f"          subject: {quoted(subject)}\n          message: {quoted(message)}\n")
    return out


def main():
    if re.search(r"\{\?", str(PARAMETERS) + str(TEMPLATES)):
        sys.exit("an expression macro: it crashes Zabbix 6.0")
    if sys.argv[1:] == ["--check"]:
        if not MEDIA.exists() or MEDIA.read_text() != document():
            sys.exit(f"{MEDIA.name} is not what {SCRIPT.name} makes of it: run {pathlib.Path(__file__).name}")
    else:
        MEDIA.write_text(document())


if __name__ == "__main__":
    main()
