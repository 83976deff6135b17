# Training and sampling in a container. The current folder is mounted as /work:
#
#     docker build -t keras-gen .
#     docker run --rm -v "$PWD:/work" keras-gen train dcgan --data photos
#
# With an NVIDIA GPU and NVIDIA's container toolkit:
#
#     docker build -t keras-gen:cuda --build-arg EXTRAS=cuda .
#     docker run --rm --gpus all -v "$PWD:/work" keras-gen:cuda train dcgan --data photos
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS wheels
WORKDIR /source
COPY pyproject.toml setup.py README.md LICENSE ./
COPY keras_gen keras_gen
COPY export export
COPY zoo zoo
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . ./zoo

FROM python:${PYTHON}-slim
ARG EXTRAS=zoo
RUN --mount=from=wheels,source=/wheels,target=/wheels \
    pip install --no-cache-dir /wheels/keras_gen_zoo-*.whl \
    "keras-gen[${EXTRAS}] @ file://$(ls /wheels/keras_gen-*.whl)"
RUN useradd --create-home --uid 1000 user && mkdir /work && chown user /work
USER user
WORKDIR /work
ENTRYPOINT ["keras-gen"]
CMD ["--help"]
