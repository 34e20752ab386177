# `galaxies` in a container: it classifies images, without the packages that train.
FROM python:3.13-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE MANIFEST.in requirements.txt ./
COPY galaxies galaxies
# The versions of requirements.txt, for what the plain installation needs.
RUN grep -v -e '^-' -e '^#' requirements.txt > constraints.txt \
    && python -m venv /opt/galaxies \
    && /opt/galaxies/bin/pip install --no-cache-dir --constraint constraints.txt .

FROM python:3.13-slim
COPY --from=build /opt/galaxies /opt/galaxies
RUN useradd --create-home astronomer
USER astronomer
WORKDIR /data
ENTRYPOINT ["/opt/galaxies/bin/galaxies"]
CMD ["--help"]
