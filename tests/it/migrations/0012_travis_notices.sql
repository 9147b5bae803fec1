UPDATE travis_repositories SET url = 'https://github.com/sven/old' WHERE id = 1000;
