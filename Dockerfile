# The worker's API on Node, with the models that ship: docker build -t stepwise . && docker run -p 8787:8787 -e STEPWISE_API_KEY=... stepwise
# A model of your own, exported before (npm run export):
#   docker run -p 8787:8787 -v "$PWD/outputs/final_stepwise_dpo_model:/models/policy:ro" stepwise --policy /models/policy
FROM node:22.21.1-bookworm-slim
WORKDIR /app
ENV NODE_ENV=production
# no package's install script is run (.npmrc); tsx, which runs the sources, is a development dependency
COPY package.json package-lock.json .npmrc ./
RUN npm ci --include=dev --no-audit --no-fund && npm cache clean --force
COPY scripts ./scripts
COPY src ./src
COPY data/models ./data/models
COPY outputs/.gitkeep ./outputs/.gitkeep
COPY tsconfig.json LICENSE ./
RUN npm run export -- --model data/models/stepwise-t5-nano && npm run export -- --model data/models/stepwise-t5-nano-prm \
  && node --import tsx --input-type=module -e "await (await import('/app/src/infer/playground/build-page.ts')).buildPage()" \
  && chown -R node:node outputs
USER node
EXPOSE 8787
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8787/health').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# node itself is told to stop, and ends what runs first
ENTRYPOINT ["node", "--import", "tsx", "scripts/serve.ts", "--host", "0.0.0.0", "--reward", "data/models/stepwise-t5-nano-prm"]
