# The controller of one site: the daemon and its command line, without test tools and without the embedded broker.
#
#   docker build --tag gpu-microgrid-ems .
#   docker run --rm gpu-microgrid-ems check desert-offgrid
#
# deploy/README.md says how to mount configuration and state.

FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY requirements.lock ./
# the full lock holds the build back end, with hashes; nothing of this stage but the wheel goes on
RUN python -m venv /build \
    && /build/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY ems ems
COPY drivers drivers
COPY config config
RUN /build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels .

FROM python:3.11-slim-bookworm
COPY requirements-runtime.lock /tmp/
RUN python -m venv /opt/gpu-microgrid-ems \
    && /opt/gpu-microgrid-ems/bin/pip install --no-cache-dir --require-hashes -r /tmp/requirements-runtime.lock \
    && rm /tmp/requirements-runtime.lock
COPY --from=build /wheels /wheels
RUN /opt/gpu-microgrid-ems/bin/pip install --no-cache-dir --no-deps --no-index /wheels/*.whl \
    && rm -r /wheels \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin ems \
    && install -d -o ems -m 0750 /var/lib/gpu-microgrid-ems \
    && install -d -m 0755 /etc/gpu-microgrid-ems/site
ENV PATH=/opt/gpu-microgrid-ems/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    STATE_DIRECTORY=/var/lib/gpu-microgrid-ems
USER ems
WORKDIR /var/lib/gpu-microgrid-ems
VOLUME /var/lib/gpu-microgrid-ems
STOPSIGNAL SIGTERM
ENTRYPOINT ["ems"]
CMD ["run", "/etc/gpu-microgrid-ems/site"]
