#!/bin/sh
# Installs the voice bot on a Debian with Python 3.11 or newer, beside an Asterisk that is there; run again it upgrades.
#
#   deploy/install.sh              the service; the model is OpenAI's, or one that speaks its events
#   deploy/install.sh --offline    with the embedded model too, for a line without a key
#   deploy/install.sh --full       with every extra: the embedded model, MCP servers, pictures, Silero
#   deploy/install.sh --uninstall  removes it; configuration, secrets and records stay
#   deploy/install.sh --purge      removes those too
#
# Code goes to /opt/voicebot, configuration to /etc/voicebot (an upgrade leaves it alone), records to
# /var/lib/voicebot. Nothing of Asterisk's is touched.
set -eu

# The service's user reads what root installs, whatever root's umask; and plain `su` leaves a PATH without sbin.
umask 022
PATH=$PATH:/usr/sbin:/sbin
# Debian's, not the first in root's PATH: what lies in /root is out of the service's reach.
PYTHON=/usr/bin/python3
HOME_DIR=/opt/voicebot
CONFIG_DIR=/etc/voicebot
STATE_DIR=/var/lib/voicebot
UNIT=/etc/systemd/system/voicebot.service
COMMAND=/usr/local/bin/voicebot

say() { echo "install: $*"; }
fail() { echo "install: $*" >&2; exit 1; }
systemd_runs() { [ -d /run/systemd/system ]; }

uninstall() {
    if systemd_runs && [ -e $UNIT ]; then systemctl disable --now voicebot.service; fi
    rm -rf $HOME_DIR $UNIT $COMMAND
    if systemd_runs; then systemctl daemon-reload; fi
    if [ "$1" = --purge ]; then
        rm -rf $CONFIG_DIR $STATE_DIR
        if getent passwd voicebot >/dev/null; then userdel voicebot; fi
        say "removed, with configuration and records"
    else
        say "removed; $CONFIG_DIR and $STATE_DIR stay (--purge removes them)"
    fi
}

prepare() {
    command -v apt-get >/dev/null || fail "this is no Debian (no apt-get): use docker-compose.yml instead"
    if ! $PYTHON -c 'import ensurepip' 2>/dev/null || [ ! -e /etc/ssl/certs/ca-certificates.crt ]; then
        say "installing python3 and python3-venv"
        apt-get update -q >/dev/null
        DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends \
            python3 python3-venv ca-certificates >/dev/null
    fi
    $PYTHON -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "$PYTHON is $($PYTHON --version), which is too old, 3.11 or newer is needed: Debian 12, or docker-compose.yml"
    getent passwd voicebot >/dev/null ||
        useradd --system --user-group --no-create-home --home-dir $STATE_DIR --shell /usr/sbin/nologin voicebot
}

# A release of its own for each run: what serves calls now is not changed under its feet.
build() {
    release=$HOME_DIR/releases/$(date -u +%Y%m%d-%H%M%S)
    say "setting up $release"
    mkdir -p $HOME_DIR/releases
    trap 'rm -rf "$release"' EXIT
    "$project/deploy/virtualenv.sh" "$release" "$lock" $PYTHON
    mkdir "$release/app"
    cp -R "$project/bot" "$release/app/bot"
    find "$release/app" -name __pycache__ -prune -exec rm -rf {} +
    # The clone may be readable for its owner alone.
    chmod -R a+rX "$release/app"
    "$release/bin/python" -m compileall -q "$release/app"
    echo "$lock" >"$release/lock"
}

# secret NAME CONTENTS: a file that only root and the service may read; one that is there stays.
secret() {
    if [ ! -e "$CONFIG_DIR/secrets/$1" ]; then printf '%s' "$2" >"$CONFIG_DIR/secrets/$1"; fi
    chown root:voicebot "$CONFIG_DIR/secrets/$1"
    chmod 640 "$CONFIG_DIR/secrets/$1"
}

configure() {
    install -d -m 0755 $CONFIG_DIR
    install -d -m 0750 -o root -g voicebot $CONFIG_DIR/secrets
    install -d -m 0750 -o voicebot -g voicebot $STATE_DIR
    if [ ! -e $CONFIG_DIR/config.yaml ]; then
        install -m 0644 "$project/config.yaml" $CONFIG_DIR/config.yaml
    elif ! cmp -s "$project/config.yaml" $CONFIG_DIR/config.yaml; then
        install -m 0644 "$project/config.yaml" $CONFIG_DIR/config.yaml.new
        say "$CONFIG_DIR/config.yaml is kept; this version's own is beside it as config.yaml.new"
    fi
    if [ ! -e $CONFIG_DIR/environment ]; then
        cat >$CONFIG_DIR/environment <<TEXT
# Variables that config.yaml refers to. Secrets are in files of their own.
ARI_PASSWORD_FILE=$CONFIG_DIR/secrets/ari_password
OPENAI_API_KEY_FILE=$CONFIG_DIR/secrets/openai_api_key
TEXT
    fi
    # Its variables may be secrets, too.
    chown root:voicebot $CONFIG_DIR/environment
    chmod 640 $CONFIG_DIR/environment
    secret ari_password "$(od -An -N15 -tx1 /dev/urandom | tr -d ' \n')"
    secret openai_api_key ''
}

# The new release must take the configuration that is there, else the old one goes on.
check() {
    (
        set -a
        . $CONFIG_DIR/environment
        "$release/bin/voicebot" check --config $CONFIG_DIR/config.yaml
    ) || fail "the configuration is not good, so nothing was switched over: put it right and run this again"
}

switch() {
    ln -sfn "$release" $HOME_DIR/next
    mv -T $HOME_DIR/next $HOME_DIR/current
    trap - EXIT
    install -m 0644 "$project/deploy/voicebot.service" $UNIT
    cat >$COMMAND <<TEXT
#!/bin/sh
# voicebot with the variables that the service has.
if [ ! -r $CONFIG_DIR/environment ]; then
    echo "voicebot: $CONFIG_DIR/environment is root's and the service's to read: run this as root" >&2
    exit 5
fi
set -a
. $CONFIG_DIR/environment
# What config.yaml names relatively (records) lies where the service runs.
if [ "\${1:-}" = picture ]; then cd $STATE_DIR; fi
exec $HOME_DIR/current/bin/voicebot "\$@"
TEXT
    chmod 755 $COMMAND
    if systemd_runs; then
        systemctl daemon-reload
        systemctl enable --quiet voicebot.service
        if [ "$lock" != runtime ] || [ -s $CONFIG_DIR/secrets/openai_api_key ] ||
            systemctl is-active --quiet voicebot.service; then
            say "starting the service (calls in progress may take up to 90 s to end; new ones are the dialplan's meanwhile)"
            systemctl restart voicebot.service
        else
            say "not started yet: there is no key, nor the embedded model"
        fi
    fi
    # The one before is kept, for a way back.
    ls -1d $HOME_DIR/releases/* | sort | head -n -2 | xargs -r rm -rf
}

farewell() {
    say "voicebot $("$release/bin/voicebot" version) is installed."
    systemd_runs || say "No systemd runs here: start it by hand with the ExecStart line of $UNIT."
    cat <<TEXT

1. The key of OpenAI goes into $CONFIG_DIR/secrets/openai_api_key. Without one the embedded model answers
   (install.sh --offline).
2. The lines that your Asterisk needs, and which of them it has:
     voicebot asterisk-config --config $CONFIG_DIR/config.yaml --directory /etc/asterisk --show-password
3. systemctl restart voicebot; voicebot check --live --config $CONFIG_DIR/config.yaml
4. From a phone of that Asterisk, dial 100.
TEXT
}

[ "$(id -u)" -eq 0 ] || fail "this needs root: run it as root, or with sudo"
project=$(cd "$(dirname "$0")/.." && pwd)
lock=runtime
if [ -e $HOME_DIR/current/lock ]; then lock=$(cat $HOME_DIR/current/lock); fi
case ${1:-} in
    '') ;;
    --offline) lock=offline ;;
    --full) lock=full ;;
    --uninstall | --purge) uninstall "$1"; exit 0 ;;
    *) sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
prepare
build
configure
check
switch
farewell
