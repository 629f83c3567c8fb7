# The bot's image; with --build-arg LOCK=offline the embedded model comes along, with LOCK=full every extra.

# Any Debian with Python 3.11 or newer will do.
ARG BASE=debian:trixie-slim

FROM ${BASE} AS python
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ca-certificates python3 tzdata \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/apt /var/log/dpkg.log /usr/share/doc/* /usr/share/man/*

FROM python AS build
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3-venv
ARG LOCK=runtime
COPY deploy/requirements/${LOCK}.txt /src/deploy/requirements/
COPY deploy/virtualenv.sh /src/deploy/
RUN /src/deploy/virtualenv.sh /opt/voicebot "${LOCK}"
COPY bot /code/bot
COPY config.yaml deploy/container/bot /files/
# A clone may be readable for its owner alone; the service is another.
RUN chmod -R a+rX /code /files && python3 -m compileall -q /code

FROM python
RUN groupadd --system --gid 10001 voicebot \
    && useradd --system --uid 10001 --gid voicebot --no-create-home --home-dir /var/lib/voicebot voicebot \
    && install -d -o voicebot -g voicebot -m 0750 /var/lib/voicebot /run/voicebot /run/voicebot/ari \
    && install -d /etc/voicebot/secrets
# The packages change seldom, the code often: a layer for each.
COPY --from=build /opt/voicebot /opt/voicebot
COPY --from=build /code /opt/voicebot/app
COPY --from=build /files/config.yaml /etc/voicebot/config.yaml
COPY --from=build /files/bot /opt/voicebot/bin/container
ENV PATH=/opt/voicebot/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp
USER 10001:10001
# What config.yaml names relatively (records) lies here.
WORKDIR /var/lib/voicebot
VOLUME /var/lib/voicebot
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 CMD ["container", "--healthy"]
ENTRYPOINT ["container"]
CMD ["run", "--config", "/etc/voicebot/config.yaml"]
