# The dashboard for a server: docs/deployment.md.
#
#   docker build --build-arg CPU_INDEX=(the address of PyTorch's index of CPU wheels) -t where-it-looked .

FROM python:3.11-slim-bookworm AS build
ARG CPU_INDEX
WORKDIR /build
RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH
COPY requirements.txt requirements-login.txt ./
# torch first, and from the index of wheels without CUDA: the rest then takes it as it is.
RUN pip install --no-cache-dir --index-url "${CPU_INDEX:?is the address of the CPU wheels}" \
        torch==2.13.0+cpu torchvision==0.28.0+cpu \
    && pip install --no-cache-dir -r requirements.txt -r requirements-login.txt \
    && pip uninstall --yes pip

FROM python:3.11-slim-bookworm
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin dashboard \
    && install --directory --owner 10001 /data
COPY --from=build /venv /venv
WORKDIR /app
COPY LICENSE ./
COPY .streamlit/config.toml .streamlit/
COPY core core/
COPY dashboard dashboard/
COPY sample_images sample_images/
COPY talks talks/
# All that is written goes to /data, which outlives the container, and /tmp, which need not.
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TORCH_HOME=/data/torch \
    WHERE_IT_LOOKED_CACHE=/data/cache \
    HOME=/tmp \
    MPLCONFIGDIR=/tmp/matplotlib
VOLUME /data
USER 10001
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]
# More options go behind the image's name: --server.allowedHosts look.example.org
ENTRYPOINT ["python", "-m", "dashboard", "--server.address", "0.0.0.0", "--server.port", "8501", "--server.headless", "true"]
