# Two stages: the first installs from the hashed lock, the second holds the result and nothing that built it.
# The steps need no package manager but pip, and no user database, so that CI replays them in a small Debian.

# The digest is that of the tag's index for all platforms, as docker-library/repo-info publishes it
# (repos/python/remote/3.11-slim.md). The same digest stands in both stages; a test holds them to it.
FROM python:3.11-slim@sha256:90744cff8f32887f075c47d747a173ff333e9e98801667af93c357fa9f5e28ff AS build
ARG APP=/opt/gamehub-graph
ARG STATE=/var/lib/gamehub-graph
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
# This lock has what the application and its build need, in the versions of requirements.lock. Every archive is fetched
# and checked against its hash; the application is then installed from these archives alone, which leaves the tools out.
COPY requirements-image.lock ./
RUN python -m pip download --quiet --no-deps --require-hashes --requirement requirements-image.lock --dest archives
COPY pyproject.toml README.md LICENSE ./
COPY engine ./engine
COPY queries ./queries
COPY resolvers ./resolvers
COPY sandbox ./sandbox
COPY schema ./schema
COPY server ./server
COPY upstream ./upstream
# The image needs no pip, and no bytecode of the tests of libraries. The bill of materials (CycloneDX) lists what it has.
RUN python -m venv --without-pip "$APP" \
    && python -m pip --python "$APP/bin/python" install --quiet --no-compile --no-index --find-links archives \
        '.[tables,sql,mcp,s3,otel]' \
    && "$APP/bin/python" -m compileall -q -x /tests/ "$APP/lib" \
    && python -m venv --without-pip /build/tools \
    && python -m pip --python /build/tools/bin/python install --quiet --no-compile --no-index --find-links archives \
        cyclonedx-bom \
    && /build/tools/bin/python -m cyclonedx_py environment --no-validate --output-reproducible --pyproject pyproject.toml \
        --output-file "$APP/sbom.cdx.json" "$APP/bin/python" \
    && mkdir -p "$STATE"

FROM python:3.11-slim@sha256:90744cff8f32887f075c47d747a173ff333e9e98801667af93c357fa9f5e28ff
ARG APP=/opt/gamehub-graph
ARG STATE=/var/lib/gamehub-graph
LABEL org.opencontainers.image.title="gamehub-graph" org.opencontainers.image.licenses="MIT"
COPY --from=build $APP $APP
# The keys, the error journal and the sandbox's world are written here, and temporary files below /tmp. So the root file
# system may be read-only: docker run --read-only --tmpfs /tmp
COPY --from=build --chown=10001:10001 $STATE $STATE
ENV PATH=$APP/bin:$PATH HOME=$STATE HOST=0.0.0.0 PORT=8000 LOG_FORMAT=json PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR $STATE
USER 10001:10001
VOLUME $STATE
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s CMD ["python", "-m", "server.alive"]
CMD ["gamehub-graph", "serve"]
