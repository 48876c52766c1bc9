"""The steps in order: `recipe.run` reads like the recipe. Nothing is imported here, so that a worker starts soon."""
