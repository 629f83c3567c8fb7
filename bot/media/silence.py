"""Why no audio comes from Asterisk, in one line that a person can act on. Pure."""

Address = tuple[str, int]


def why_silent(
    external: Address,
    announced: Address,
    stranger: Address | None,
    ports: str,
    phone_packets: int | None = None,
) -> str:
    """``external`` is where Asterisk sends, ``announced`` the address it named for its end, ``stranger`` one
    whose packets were refused. ``phone_packets``: how many Asterisk had from the phone, if it knows."""
    if stranger is not None:
        return (
            f"packets come from {_shown(stranger)}, but Asterisk named {_shown(announced)}: NAT lies in "
            "between, so set media.rtp.source to first"
        )
    if phone_packets == 0:
        return (
            "the phone sends no audio to Asterisk: NAT or a firewall between the two, or "
            "external_media_address in pjsip.conf (docs/existing-pbx.md)"
        )
    return (
        f"nothing comes to {_shown(external)}, where Asterisk at {announced[0]} sends it: "
        "media.rtp.external_host must be this machine as Asterisk sees it, and a firewall must let "
        f"UDP {ports} through"
    )


def _shown(address: Address) -> str:
    return f"{address[0]}:{address[1]}"
