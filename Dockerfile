# One image for web, worker, beat and migrations; docker-compose.yml says how each is run.
FROM python:3.13-slim AS packages
COPY requirements-server.txt /tmp/
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes --no-deps \
        -r /tmp/requirements-server.txt

FROM python:3.13-slim
RUN groupadd --system --gid 10001 pli \
    && useradd --system --uid 10001 --gid pli --home-dir /var/lib/pli --create-home pli
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PLI_HOME=/var/lib/pli \
    PLI_STATIC_ROOT=/app/collected \
    PLI_BIND=0.0.0.0 \
    PORT=8000
WORKDIR /app
COPY --from=packages /venv /venv
COPY . .
# The user below may not write here, and each start would compile all of it again.
# Settings want addresses to be read at all; nobody connects while the image is built, and nothing of this stays in it.
RUN python -m compileall -q . \
    && python bin/compile_translations \
    && DATABASE_URL=postgres://none@none/none DATABASE_OWNER_URL=postgres://none@none/none \
        DATABASE_RECORDER_URL=postgres://none@none/none REDIS_URL=redis://none/0 PLI_SECRET_KEY=none \
        python manage.py collectstatic --no-input --verbosity 0
USER pli
EXPOSE 8000
CMD ["python", "-m", "config.serve", "web"]
