# Two stages on plain Debian: the first has pip, the second has only Python and what was installed.

FROM debian:bookworm-slim AS build
RUN apt-get update && apt-get install --yes --no-install-recommends python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
RUN python3 -m venv /opt/front-door
COPY requirements.lock .
RUN /opt/front-door/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY gateway gateway
COPY routing_rules routing_rules
COPY adapters adapters
COPY loadtest loadtest
RUN /opt/front-door/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation . \
    && /opt/front-door/bin/pip uninstall --yes pip setuptools

FROM debian:bookworm-slim
RUN apt-get update && apt-get install --yes --no-install-recommends python3-minimal python3 ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home --home-dir /var/lib/front-door front-door
COPY --from=build /opt/front-door /opt/front-door
USER front-door
WORKDIR /var/lib/front-door
ENV PATH=/opt/front-door/bin:$PATH \
    FRONT_DOOR_HOST=0.0.0.0 \
    FRONT_DOOR_PORT=8080 \
    FRONT_DOOR_DATA_DIR=/var/lib/front-door/data
EXPOSE 8080
VOLUME /var/lib/front-door
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s CMD ["python3", "-c", \
    "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"FRONT_DOOR_PORT\"]}/livez', timeout=2)"]
ENTRYPOINT ["front-door"]
CMD ["serve"]
